"""Commands of the command line, run in the test's own process with the settings of a deployment."""

from __future__ import annotations

from collections.abc import Sequence

from typer.testing import CliRunner, Result

from streams.cli.main import app
from tests.integration.deployment import Deployment


def run_command(site: Deployment, *words: str, overrides: Sequence[str] = ()) -> Result:
    """What the command has printed, and its exit code. Not to be called where an event loop runs, but in a thread."""
    settings = [f"--set={override}" for override in (*site.overrides("a"), *overrides)]
    return CliRunner(env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}).invoke(app, [*words, *settings])


def succeeds(site: Deployment, *words: str, overrides: Sequence[str] = ()) -> str:
    """The output of a command that ends with 0."""
    result = run_command(site, *words, overrides=overrides)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return str(result.output)


def fails(site: Deployment, *words: str, overrides: Sequence[str] = ()) -> str:
    """The one line of a command that ends with 1 and no traceback."""
    result = run_command(site, *words, overrides=overrides)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), (words, result.output, result.exception)
    (line,) = [line for line in str(result.output).splitlines() if line.startswith("error: ")]
    return line
