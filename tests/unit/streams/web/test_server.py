import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings.settings import load_settings
from streams.web.server import WebServer

ROOT = Path(__file__).parents[4]
TOKEN = "0123456789abcdef"


def test_the_process_is_small() -> None:
    program = (
        "import sys, streams.web.server, streams.settings.settings\n"
        "print([name for name in ('torch', 'faust') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout == "[]\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_other_machines_are_let_in_with_a_token_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="lets other machines in: set INTEREST_WEB__READ_TOKEN"):
        WebServer(load_settings(None, [f"web.host={host}", f"web.data_dir={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    first = WebServer(load_settings(None, ["web.port=0", f"web.data_dir={tmp_path / '1'}"]))
    try:
        port = first.url.rpartition(":")[2]
        with pytest.raises(OSError, match=r"in use: set web.host or web.port: '127.0.0.1:" + port):
            WebServer(load_settings(None, [f"web.port={port}", f"web.data_dir={tmp_path / '2'}"]))
    finally:
        first.close()
    second = WebServer(load_settings(None, [f"web.port={port}", f"web.data_dir={tmp_path / '2'}"]))
    second.close()
