"""All parts on the CPU, on small logs: where everything is installed, and where Kafka's libraries are missing."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.gpu.command import PARTS
from bench.gpu.parts.marked_tests import marked_files

ROOT = Path(__file__).parents[4]
MISSING = ("faust", "mode", "aiokafka", "rocksdict", "orjson", "msgspec", "pydantic", "tensorboardX", "pytest_asyncio")
# Typer has pydantic of its own accord, so only what this project imports is missing.
_SITE_CUSTOMIZE = f"""
import builtins

import_module = builtins.__import__


def import_present(name, globals=None, *arguments, **keywords):
    package = name.partition(".")[0]
    importer = ((globals or {{}}).get("__name__") or "").partition(".")[0]
    if package in {MISSING!r} and importer in ("models", "state", "streams", "bench", "tests"):
        raise ModuleNotFoundError("No module named " + package, name=package)
    return import_module(name, globals, *arguments, **keywords)


builtins.__import__ = import_present
"""

# Each in the same process: importing PyTorch takes longest.
_RUN_COMMANDS = """
import json
import sys

from typer.testing import CliRunner

from bench.cli import app

results = [CliRunner().invoke(app, words.split()) for words in sys.argv[1:]]
assert all(type(result.exception) in (type(None), SystemExit) for result in results), results
print(json.dumps([result.output for result in results]))
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small logs of the names and forms of the known ones."""
    folder, random = tmp_path_factory.mktemp("logs"), np.random.default_rng(0)
    pairs = np.stack(np.unravel_index(random.permutation(40 * 60)[:1200], (40, 60)), 1).tolist()
    inter = [f"{user}\t{item}\t{1 + item % 5}\t{880_000_000 + 60 * n}" for n, (user, item) in enumerate(pairs)]
    (folder / "ml-100k").mkdir()
    (folder / "ml-100k" / "ml-100k.inter").write_text(
        "\n".join(["user_id:token\titem_id:token\trating:float\ttimestamp:float", *inter])
    )
    (folder / "ml-100k" / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\tToy Story\t1995\tComedy"
    )
    (folder / "ml-1m").mkdir()
    with gzip.open(folder / "ml-1m" / "events.csv.gz", "wt") as file:
        file.write("user_id,item_id,timestamp,rating\n")
        file.writelines(f"{user},{item},{956_000_000 + 60 * n},4\n" for n, (user, item) in enumerate(pairs))
    (folder / "ml-1m" / "movies.csv").write_text("movie_id,title,genres\n1,Toy Story (1995),Comedy\n")
    (folder / "ml-1m" / "users_with_complete_sequence.txt").write_text("1\n2\n")
    return folder


def run(*arguments: str) -> tuple[str, dict[str, Any]]:
    """Output and parts of a run in this process."""
    result = CliRunner().invoke(app, ["gpu", "--device", "cpu", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output, parts_of(arguments)


def parts_of(arguments: Sequence[str]) -> dict[str, Any]:
    """By name, as a run with these arguments has saved them."""
    report = json.loads(Path(arguments[arguments.index("--json") + 1]).read_text())
    assert {"date", "commit", "card", "driver", "torch", "cuda", "python"} <= report["environment"].keys()
    return {part["name"]: part for part in report["parts"]}


def assert_shown(shown: str, parts: dict[str, Any]) -> None:
    for name, part in parts.items():
        assert name in shown
        assert part["summary"].partition(" ")[0] in shown


@pytest.mark.slow
def test_the_parts_that_read_logs_run_on_the_cpu(logs: Path, tmp_path: Path) -> None:
    arguments = ["--minutes", "30", "--json", str(tmp_path / "gpu.json"), "--logs", str(logs)]
    shown, parts = run(*arguments, "--only", "training", "--only", "quality")
    assert list(parts) == ["training", "quality"]
    assert [(part["status"], part["reason"]) for part in parts.values()] == [("passed", "")] * 2
    assert parts["training"]["figures"]["largest_difference"] == 0
    assert parts["quality"]["figures"]["events"] == 600
    assert_shown(shown, parts)


@pytest.mark.slow
def test_the_other_parts_run_on_the_cpu_without_the_libraries_of_kafka(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_SITE_CUSTOMIZE)
    arguments = ["--minutes", "60", "--json", str(tmp_path / "gpu.json"), "--logs", str(logs)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "gpu", "--device", "cpu", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown, parts = done.stdout, parts_of(arguments)
    assert list(parts) == [part.name for part in PARTS]
    for name in ("training", "quality"):
        part = parts.pop(name)
        assert part["status"] == "skipped"
        assert "is not installed" in part["reason"]
        assert "make wheels" in part["reason"]
    assert [(part["status"], part["reason"]) for part in parts.values()] == [("passed", "")] * len(parts)
    assert parts["tests"]["figures"]["failed"] == 0
    cells = parts["cost"]["figures"]["cells"]
    assert len(cells) == 8
    assert len(parts["floors"]["figures"]["steps"]) == len([cell for cell in cells if "ms" in cell])
    assert_shown(shown, parts)


@pytest.mark.slow
def test_the_other_commands_say_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_SITE_CUSTOMIZE)
    commands = {"--help": "Not available", "throughput": "is not installed", "cost --help": "micro-batch"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN_COMMANDS, *commands],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    for shown, output in zip(json.loads(done.stdout), commands.values(), strict=True):
        assert output in shown
        assert "Traceback" not in shown


@pytest.mark.slow
def test_missing_logs_are_a_reason_to_skip(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    arguments = ["--minutes", "5", "--json", str(file), "--logs", str(tmp_path)]
    _, parts = run(*arguments, "--only", "training", "--only", "quality")
    assert list(parts) == ["training", "quality"]
    for part in parts.values():
        assert part["status"] == "skipped"
        assert "is missing" in part["reason"]


def test_no_card_and_unknown_parts_are_errors() -> None:
    runner = CliRunner()
    unknown = runner.invoke(app, ["gpu", "--device", "cpu", "--only", "nothing"])
    assert unknown.exit_code == 1
    assert "no part is called nothing" in unknown.output
    wrong = runner.invoke(app, ["gpu", "--device", "tpu"])
    assert wrong.exit_code == 1


def test_every_file_with_marked_tests_is_found() -> None:
    names = {file.name for file in marked_files()}
    assert {"test_cuda.py", "test_engine.py", "test_trainer.py", "test_online.py", "test_stage_clock.py"} <= names
