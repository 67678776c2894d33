from pathlib import Path

import pytest

from streams.demo.run import demo_settings
from streams.settings.settings import load_settings


@pytest.mark.parametrize("allow_repeats", [True, False])
def test_the_settings_of_the_demo_are_valid(tmp_path: Path, allow_repeats: bool) -> None:
    settings = load_settings(None, demo_settings("127.0.0.1:1", tmp_path, allow_repeats))
    assert settings.model.allow_repeats is allow_repeats
    assert settings.kafka.bootstrap_servers == "127.0.0.1:1"
    assert settings.predictions.per == "event"
    assert settings.worker.data_dir == tmp_path / "worker"
