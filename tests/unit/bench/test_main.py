from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from streams.local_kafka.jars import find_java


def test_help_names_every_program() -> None:
    shown = CliRunner().invoke(app, ["throughput", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for name in ("idiomatic_faust", "floor", "batch_path", "worker"):
        assert name in shown.output


def test_a_wrong_program_ends_with_the_names_to_choose_from() -> None:
    shown = CliRunner().invoke(app, ["throughput", "--only", "flor"])
    assert shown.exit_code == 1
    assert "there are idiomatic_faust" in " ".join(shown.output.split())


def test_a_missing_java_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    find_java.cache_clear()
    request.addfinalizer(find_java.cache_clear)
    shown = CliRunner().invoke(app, ["throughput", "--only", "floor"])
    assert shown.exit_code == 1
    assert "Java 17 or newer" in " ".join(shown.output.split())
