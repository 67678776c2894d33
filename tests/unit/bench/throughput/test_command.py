from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from streams.local_kafka.jars import find_java


def test_help_lists_the_programs() -> None:
    result = CliRunner().invoke(app, ["throughput", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for name in ("idiomatic_faust", "floor", "batch_path", "worker"):
        assert name in result.output


def test_an_unknown_program_is_an_error_with_the_known_names() -> None:
    result = CliRunner().invoke(app, ["throughput", "--only", "flor"])
    assert result.exit_code == 1
    assert "there are idiomatic_faust" in " ".join(result.output.split())


def test_a_missing_java_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    find_java.cache_clear()
    request.addfinalizer(find_java.cache_clear)
    result = CliRunner().invoke(app, ["throughput", "--only", "floor"])
    assert result.exit_code == 1
    assert "Java 17 or newer" in " ".join(result.output.split())
