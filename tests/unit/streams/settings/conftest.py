"""Settings come from what a test gives alone."""

import os
from pathlib import Path

import pytest

from streams.settings.settings import ENVIRONMENT_PREFIX


@pytest.fixture(autouse=True)
def _empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
