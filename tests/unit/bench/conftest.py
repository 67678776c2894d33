"""The real logs, where they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.quality.datasets import Dataset


@pytest.fixture(scope="session")
def real_log() -> Callable[[str], Dataset]:
    """A known log by name, read once and changed by nobody; the test is skipped where the logs are not."""
    from bench.quality.datasets import FOLDER, load

    @cache
    def get(name: str) -> Dataset:
        if not FOLDER.is_dir():
            pytest.skip(f"the real logs are not at {FOLDER}")
        return load(name)

    return get
