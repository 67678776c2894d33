"""The real logs, where they are."""

from collections.abc import Callable

import pytest

from bench.quality.datasets import FOLDER, Dataset, load


@pytest.fixture(scope="session")
def real_log() -> Callable[[str], Dataset]:
    """A known log by name; the test is skipped where the logs are not."""

    def get(name: str) -> Dataset:
        if not FOLDER.is_dir():
            pytest.skip(f"the real logs are not at {FOLDER}")
        return load(name)

    return get
