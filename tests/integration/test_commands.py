"""The commands as a new user types them, one after the other, against a real broker and a worker."""

import json
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streams.files.synthetic import TOPICS
from streams.local_kafka.cluster import LocalKafka
from streams.worker.process.launcher import WorkerProcess

ROOT = Path(__file__).parents[2]
LOG = "user,item,time,rating\n" + "".join(
    f"u{n % 5},i{n * 7 % 11},{1_700_000_000 + n},{n % 5 + 1}\n" for n in range(200)
)
ITEMS = "id,title,categories\n" + "".join(f"i{n},Title {n},Even|All\n" for n in range(11))

SequenceOutput = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def overrides(kafka: LocalKafka, prefix: str, tmp_path: Path) -> list[str]:
    names = (
        "user_events", "interest_predictions", "user_events_dlq", "item_index", "item_catalog", "interest_quality",
        "model_releases",
    )  # fmt: skip
    return [
        f"kafka.bootstrap_servers={kafka.bootstrap_servers}",
        f"kafka.group_id={prefix}",
        f"worker.data_dir={tmp_path / 'data'}",
        "topics.partitions=3",
        *(f"topics.{name}={prefix}-{name}" for name in names),
    ]


@pytest.fixture
def run(overrides: list[str], tmp_path: Path) -> SequenceOutput:
    """Runs a command with the test's settings."""

    def command(*words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        settings = [f"--set={override}" for override in overrides]
        program = [sys.executable, "-m", "streams.cli", *words, *settings]
        done = subprocess.run(program, capture_output=True, text=True, timeout=240, cwd=ROOT, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


@pytest.fixture
async def worker(overrides: list[str], tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    process = WorkerProcess(overrides, tmp_path / "worker.log")
    process.start()
    try:
        await process.wait_ready()
        yield process
    finally:
        code = process.stop()
    lines = process.log.read_text().splitlines()
    assert (code, lines[-1].endswith("streams.worker.app: stopped")) == (0, True), lines  # and nothing of libraries


def test_replay_before_topics_says_what_to_do(run: SequenceOutput, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    assert "`interest-stream topics` creates what is missing" in run("replay", str(tmp_path / "log.csv"), code=1).stderr
    assert "✓" in run("topics").stdout
    assert "200/200" in run("replay", str(tmp_path / "log.csv")).stdout
    assert "no row of user 'u1'" in run("show", "u1", code=1).stderr


@pytest.mark.usefixtures("worker")
def test_replay_tail_and_show(run: SequenceOutput, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text(ITEMS)
    run("replay", str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv"), "--rate", "500/s")

    lines = run("tail", "--from-start", "--limit", "5", "--json").stdout.splitlines()
    assert len(lines) == 5
    assert {json.loads(line)["user_id"] for line in lines} <= {f"u{n}" for n in range(5)}
    text = run("tail", "--from-start", "--user", "u3", "--limit", "1").stdout
    assert text.startswith("u3 ")
    assert "Title " in text
    assert "Even" in text

    while "40" not in (shown := run("show", "u3").stdout).splitlines()[1]:  # events applied: the last may be on its way
        assert "events applied" in shown
    assert "Recent events, newest first: the last 10 of 40 stored" in shown
    newest = next(line for line in shown.splitlines() if line.startswith("rating")).split()
    assert newest == ["rating", "Title", str(198 * 7 % 11), "Even,", "All"]
    assert "Latest prediction" in shown
    assert "event 40 of the user" in shown
    assert "no row of user 'nobody'" in run("show", "nobody", code=1).stderr


def test_a_tail_without_records_says_on_a_terminal_that_it_waits(run: SequenceOutput, overrides: list[str]) -> None:
    run("topics")
    terminal, errors = os.openpty()
    settings = [f"--set={override}" for override in overrides]
    program = [sys.executable, "-m", "streams.cli", "tail", *settings]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=errors, cwd=ROOT)
    try:
        readable, _, _ = select.select([terminal], [], [], 60)
        assert readable
        assert b"nothing new yet: waiting; --from-start reads from the beginning" in os.read(terminal, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(errors)


@pytest.mark.usefixtures("worker")
def test_made_up_users_go_straight_into_kafka_and_are_scored(run: SequenceOutput) -> None:
    run("synthesize", "--events", "300", "--users", "5", "--rate", "max")
    (prediction,) = map(json.loads, run("tail", "--from-start", "--limit", "1", "--json").stdout.splitlines())
    assert prediction["user_id"] in [f"u{n:04}" for n in range(5)]
    assert set(prediction["categories"]) <= TOPICS.keys()
    assert prediction["categories"]

    assert "leave --user out" in run("tail", "--stats", "--user", "u1", code=2).stderr
    run("synthesize", "--events", "600", "--users", "5", "--rate", "200/s")
    (record,) = map(json.loads, run("tail", "--stats", "--from-start", "--limit", "1", "--json").stdout.splitlines())
    assert 0 < record["scored"] < record["events"] <= 900
    (newest,) = map(json.loads, run("tail", "--stats", "--limit", "1", "--json").stdout.splitlines())
    assert newest["emitted_at"] >= record["emitted_at"]  # one that is there: no event will come
    (line,) = run("tail", "--stats", "--from-start", "--limit", "1").stdout.splitlines()
    assert f": {record['events']} events, recall@10 0." in line
    assert f"over {record['window']} events" in line
