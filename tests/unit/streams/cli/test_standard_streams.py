"""Commands whose output is closed or knows ASCII only, and arguments that are no UTF-8: real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
NO_BROKER = "kafka.bootstrap_servers=127.0.0.1:1"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The shell command, in which $CLI is the command line."""
    program = f"{sys.executable} -m streams.cli --set {NO_BROKER}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLI": program, "TERM": "dumb", **environment}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize("command", ["tail --json", "config", "synthesize --events 3"])
def test_a_closed_output_is_one_line(command: str) -> None:
    result = shell(f"$CLI {command} >&-")
    assert result.returncode == 1
    assert result.stderr == "error: standard output is closed: redirect it, to a file or /dev/null\n"


@pytest.mark.parametrize("command", ["show", "tail --user"])
def test_a_user_id_that_is_no_utf8_is_refused(command: str) -> None:
    result = shell(f"$CLI {command} $'\\xff'")
    assert result.returncode == 2
    assert "ids of users are UTF-8" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_the_encoding_lacks_becomes_a_question_mark() -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = shell("$CLI config --toml --set kafka.sasl_username=$'\\xc3\\xa9'", **ascii_only)
    assert (result.returncode, result.stderr) == (0, "")
    assert 'sasl_username = "' in result.stdout
    assert "?" in result.stdout
