"""Faults and sources of settings."""

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings.settings import Settings, load_settings


def faults(file: Path | None = None, *overrides: str, recipe: str | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        load_settings(file, overrides, recipe)
    return error.value.faults


def source_of(settings: Settings, key: str) -> str:
    return next(row.source for row in settings.explain() if row.key == key)
