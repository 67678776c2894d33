from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.driver.worker_driver import WorkerDriver

MakeDriver = Callable[..., WorkerDriver]


@pytest.fixture
async def make_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeDriver]:
    """Makes the test's driver, with settings such as "section.key=value"."""
    made: list[WorkerDriver] = []

    def make(*overrides: str) -> WorkerDriver:
        made.append(WorkerDriver(tmp_path, monkeypatch, overrides))
        return made[-1]

    yield make
    for driver in made:
        await driver.close()


@pytest.fixture
def driver(make_driver: MakeDriver) -> WorkerDriver:
    return make_driver()
