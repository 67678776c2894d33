import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app
from streams.files.event_logs import read_events
from streams.files.item_files import read_items
from streams.settings.recipes import RECIPES, recipe_line

COMMANDS = [
    "worker", "topics", "train", "replay", "profile", "synthesize", "tail", "show", "config", "recipes", "demo",
    "kafka", "web",
]  # fmt: skip
NO_BROKER = "kafka.bootstrap_servers=127.0.0.1:1"
ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No interest.toml of the developer's, and no environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("INTEREST_")]:
        monkeypatch.delenv(name)


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}).invoke(app, list(words))


def test_help_names_every_command_with_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"│ {name} " in result.output for name in COMMANDS)
    assert "interest-stream replay ratings.csv --items movies.csv" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from streams.cli import main as cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = 'torch', 'faust', 'numpy', 'aiokafka', 'asyncio', 'pydantic'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "module",
    ["terminal.predictions", "terminal.quality", "terminal.user", "kafka.topics", "cli.logs.replay", "demo.run"],
)
def test_readers_are_small(module: str) -> None:
    """Without torch, Faust and RocksDB, a reading command takes less than 150 MB (80 MB at most were measured)."""
    program = (
        f"import psutil, sys, streams.{module}, streams.settings.settings\n"
        "print([name for name in ('torch', 'faust', 'rocksdict') if name in sys.modules])\n"
        "print(psutil.Process().memory_info().rss)"
    )
    command = [sys.executable, "-c", program]
    modules, resident_bytes = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    assert modules == "[]"
    assert int(resident_bytes) < 150_000_000


def test_config_prints_each_setting_with_its_source() -> None:
    result = run("config", "--set", "worker.cache_mb=64")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert lines["worker.cache_mb"][:3] == ["64", "--set", "worker.cache_mb"]
    assert lines["kafka.group_id"][:2] == ["interest", "default"]


def test_config_prints_what_a_recipe_sets() -> None:
    result = run("config", "--recipe", "fusion")
    lines = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert lines["model.fusion"][:3] == ["gate", "recipe", "fusion"]


def test_recipes_are_listed_with_what_they_are() -> None:
    lines = run("recipes").output.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert lines[1].endswith(recipe_line("fusion"))


def test_config_as_toml_is_a_settings_file(tmp_path: Path) -> None:
    (tmp_path / "interest.toml").write_text(run("config", "--toml", "--set=kafka.group_id=mine").output)
    result = run("config")
    assert next(line.split()[:3] for line in result.output.splitlines() if "kafka.group_id" in line) == [
        "kafka.group_id",
        "mine",
        "interest.toml",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["config", "--set", "worker.nothing=1"], "error: --set worker.nothing: unknown key"),
        (["worker", "--recipe", "luck"], "error: --recipe luck: there is no such recipe, there are default, "),
        (["config", "--config", "none.toml"], "error: none.toml: can't be read"),
        (["replay", "none.csv"], "error: none.csv: cannot be read: No such file or directory"),
        (["replay", "none.csv", "--columns", "who=x"], "expected ROLE=COLUMN"),
        (["replay", "none.csv", "--rate", "soon"], "error: --rate 'soon'"),
        (["replay", "none.csv", "--quote", "''"], "error: --quote"),
        (["replay", "none.csv", "--clean", "wash"], "error: --clean 'wash': expected some of dedupe"),
        (["train", "none.csv", "--delimiter", ""], "error: --delimiter ''"),
        (["profile", "none.csv"], "error: none.csv: cannot be read"),
        (["synthesize", "--out", "no/such/folder"], "error: no/such/folder: No such file or directory"),
        (["topics", "--set", NO_BROKER], "error: no broker answers at 127.0.0.1:1: start one"),
        (["tail", "--set", NO_BROKER], "error: no broker answers at 127.0.0.1:1: start one"),
        (["show", "u1", "--set", NO_BROKER], "error: no broker answers at 127.0.0.1:1: start one"),
        (["demo", "--events", "none.csv"], "error: none.csv: cannot be read"),
        (["kafka", "start", "--nodes", "2"], "1 or 3 nodes"),
    ],
)
def test_a_mistake_is_one_clear_message_and_a_failure(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["nonsense"],
        ["tail", "--limit", "0"],
        ["replay", "a", "--nonsense"],
        ["synthesize", "--rate", "max", "--out", "x", "--set", NO_BROKER],
    ],
)
def test_misuse_is_told_apart(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_synthesize_writes_what_replay_reads(tmp_path: Path) -> None:
    result = run("synthesize", "--events", "50", "--out", "e.jsonl", "--items-out", "i.jsonl")
    assert (result.exit_code, result.output) == (0, "")
    assert len(read_events(tmp_path / "e.jsonl").events) == 50
    assert len(read_items(tmp_path / "i.jsonl")) == 240


def test_synthesize_writes_to_stdout_by_default() -> None:
    result = run("synthesize", "--events", "3", "--seed", "1")
    assert result.exit_code == 0
    assert [line[:19] for line in result.output.splitlines()] == ['{"schema_version":1'] * 3


def test_a_profile_is_printed_and_written(tmp_path: Path) -> None:
    rows = [f"u{n % 40},i{n % 30},{n}\n" for n in range(200)] + [f"bot,i{n % 30},{n}\n" for n in range(900)]
    (tmp_path / "log.csv").write_text("user,item,time\nu1,i1,NaN\n" + "".join(rows))
    result = run("profile", "log.csv", "--json", "p.json", "--picture", "p.png")
    assert result.exit_code == 0, result.output
    assert "1 have more, 81.8% of the events (bot 900)" in result.output
    assert "1 lines were left out:\n  1x the time is not understood; first log.csv:2:" in result.output
    assert orjson.loads((tmp_path / "p.json").read_bytes())["events"] == 1100
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_kafka_says_where_none_runs() -> None:
    assert run("kafka", "status", "--folder", "k").exit_code == 1
    result = run("kafka", "stop", "--folder", "k")
    assert (result.exit_code, result.output) == (0, "no Kafka has been started in k\n")


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(coroutine: Coroutine[object, object, None]) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncio.run", interrupted)
    result = run("tail")
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_synthesize_writes_decisions_with_their_feedback(tmp_path: Path) -> None:
    files = "--out", "e.jsonl", "--decisions-out", "d.jsonl"
    assert run("synthesize", "--feedback", "--events", "60", "--users", "5", *files).exit_code == 0
    assert len(Path("e.jsonl").read_text().splitlines()) == 60
    decisions = [orjson.loads(line) for line in Path("d.jsonl").read_text().splitlines()]
    assert {len(decision["propensities"]) for decision in decisions} == {4}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--feedback", "--rate", "9/s", "--decisions-out", "d.jsonl"), "give one"),
        (("--decisions-out", "d.jsonl"), "give both"),
    ],
)
def test_synthesize_says_which_options_go_together(arguments: tuple[str, ...], fault: str) -> None:
    result = run("synthesize", *arguments)
    assert result.exit_code == 2
    assert fault in " ".join(result.output.split())
