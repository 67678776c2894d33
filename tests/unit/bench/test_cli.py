import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("command", ["throughput", "quality", "scale-out", "cost", "decoding", "web", "policy"])
def test_every_command_has_a_help_that_explains_what_it_measures(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "CPU time" in result.output or "in order of time" in result.output


@pytest.mark.slow
def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "Usage: python -m bench" in done.stdout
    assert all(command in done.stdout for command in ("throughput", "quality", "scale-out", "cost", "decoding"))
