"""Replays of a log that are interrupted and resumed, against a real broker."""

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from streams.cli.logs.replay import ReplayOptions, replay_file
from streams.files.cleaning import CleaningRules
from streams.files.formats.log_error import LogError
from streams.kafka.reader import read_topic
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.settings.settings import Settings, load_settings
from tests.integration.commands import succeeds
from tests.integration.deployment import Deploy

ROOT = Path(__file__).parents[2]
EVENTS = 6_000


@pytest.fixture
def overrides(kafka: LocalKafka, prefix: str) -> list[str]:
    names = (
        "user_events", "interest_predictions", "user_events_dlq", "item_index", "item_catalog", "interest_quality",
        "model_releases",
    )  # fmt: skip
    return [
        f"kafka.bootstrap_servers={kafka.bootstrap_servers}",
        f"kafka.group_id={prefix}",
        "topics.partitions=3",
        *(f"topics.{name}={prefix}-{name}" for name in names),
    ]


@pytest.fixture
def settings(overrides: list[str]) -> Settings:
    loaded = load_settings(overrides=overrides)
    asyncio.run(ensure_topics(loaded))
    return loaded


def replay(settings: Settings, log: Path, options: ReplayOptions) -> str:
    """What the replay prints."""
    screen = Console(width=200, record=True, file=io.StringIO())
    asyncio.run(replay_file(settings, screen, log, options))
    return screen.export_text()


def write_log(folder: Path, in_order: bool) -> Path:
    """A log with a bad line, in order of time or not."""
    path = folder / "log.csv"
    rows = [f"u{n % 50},i{n % 97},{1_700_000_000 + (n if in_order else n * 7919 % EVENTS)}\n" for n in range(EVENTS)]
    path.write_text("user,item,time\nu,i,NaN\n" + "".join(rows))
    return path


def sent_ids(settings: Settings) -> list[list[str]]:
    """Event ids of each user, in the topic's order."""
    by_user: dict[bytes | None, list[str]] = {}

    async def read() -> None:
        async for record in read_topic(settings.kafka, settings.topics.user_events):
            by_user.setdefault(record.key, []).append(orjson.loads(record.value or b"")["event_id"])

    asyncio.run(read())
    return list(by_user.values())


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_replay_goes_on_where_it_was(
    settings: Settings, overrides: list[str], tmp_path: Path, stop: signal.Signals, in_order: bool
) -> None:
    log = write_log(tmp_path, in_order)
    words = ["replay", str(log), "--skip-bad", "--rate", "2000/s", *(f"--set={override}" for override in overrides)]
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    position = tmp_path / "log.csv.replay.json"
    while not position.exists() or orjson.loads(position.read_bytes())["sent"] < 500:
        assert process.poll() is None
        time.sleep(0.02)  # the child prints nothing to wait for
    process.send_signal(stop)
    output, _ = process.communicate(timeout=60)
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert "--resume goes on with the next" in output
    acknowledged = orjson.loads(position.read_bytes())["sent"]
    assert 500 <= acknowledged < EVENTS

    with pytest.raises(
        LogError, match=r"an interrupted replay: --resume goes on with it, --restart begins at the first"
    ):
        replay(settings, log, ReplayOptions(skip_bad=True))
    assert orjson.loads(position.read_bytes())["sent"] == acknowledged
    text = replay(settings, log, ReplayOptions(skip_bad=True, resume=True))
    assert f"going on after {acknowledged:,} events" in text
    assert "1 lines were left out:\n  1x the time is not understood; first log.csv:2:" in text
    assert ("is not in order of time" in text) != in_order
    assert not position.exists()

    users = sent_ids(settings)
    counts = Counter(event_id for ids in users for event_id in ids)
    assert len(counts) == EVENTS
    repeated = sum(counts.values()) - EVENTS
    assert repeated == 0 if stop == signal.SIGINT else repeated <= 2_000  # a quarter of a second, on a busy machine
    if stop == signal.SIGINT:
        in_time = sorted(range(EVENTS), key=lambda n: n if in_order else n * 7919 % EVENTS)
        for ids in users:
            user = int(ids[0].partition(":")[2]) - 3
            assert ids == [f"log.csv:{n + 3}" for n in in_time if n % 50 == user % 50]


def test_a_log_is_cleaned_on_its_way(settings: Settings, tmp_path: Path) -> None:
    log = write_log(tmp_path, in_order=False)
    log.write_text(log.read_text() + "u7,i7,1700000007\n" * 3)
    text = replay(settings, log, ReplayOptions(skip_bad=True, clean=CleaningRules(dedupe=True, cap=100)))
    assert "--clean dedupe: 2 dropped, cap: 1,001 dropped" in text
    assert sorted(map(len, sent_ids(settings))) == [100] * 50


def test_what_a_limit_leaves_out_is_printed_and_a_bad_line_sends_nothing(settings: Settings, tmp_path: Path) -> None:
    log = write_log(tmp_path, in_order=True)
    text = replay(settings, log, ReplayOptions(skip_bad=True, limit=100))
    assert "--limit left out the 5,900 later events" in text
    with pytest.raises(LogError, match=r"log\.csv:2: the time is 'NaN'"):
        replay(settings, log, ReplayOptions())
    with pytest.raises(LogError, match="there is no unfinished replay"):
        replay(settings, log, ReplayOptions(skip_bad=True, resume=True))
    with pytest.raises(LogError, match=r"--state .*nowhere: is not there"):
        replay(settings, log, ReplayOptions(skip_bad=True, state_folder=tmp_path / "nowhere"))
    assert sum(map(len, sent_ids(settings))) == 100


def test_a_restart_sends_all_events_whatever_an_interrupted_replay_has_sent(settings: Settings, tmp_path: Path) -> None:
    log = write_log(tmp_path, in_order=True)
    position = tmp_path / "log.csv.replay.json"
    position.write_text('{"sent": 5900, "fingerprint": {"--columns": "of another version"}}')
    with pytest.raises(LogError, match="--restart begins at the first event"):
        replay(settings, log, ReplayOptions(skip_bad=True, resume=True))
    replay(settings, log, ReplayOptions(skip_bad=True, limit=100, restart=True))
    assert sum(map(len, sent_ids(settings))) == 100
    assert not position.exists()


async def test_a_log_is_read_by_the_settings_which_the_worker_applies_no_second_time(deploy: Deploy) -> None:
    """By them a look is a view, while views, which nothing else marks, are left out."""
    site = await deploy(
        'events.map={ user = "who", item = "user_id", type = "what" }',
        'events.types={ looked = "view", view = "ignore" }',
    )
    fields = {"who": "u1", "user_id": "i7", "timestamp": 1731900000000}
    lines = [fields | {"what": what} for what in ("looked", "view", "bought", "looked")]
    log = site.folder / "log.jsonl"
    log.write_text("".join(orjson.dumps(line).decode() + "\n" for line in lines))
    printed = await asyncio.to_thread(succeeds, site, "replay", str(log))
    assert "1 lines were left out" in printed.replace("\n", " ")
    worker = site.worker()
    await worker.owns()
    await site.sent_by_others()
    await site.applied()
    await worker.stop()
    rows = await site.check(stopped=["a"])
    assert {user: row.count for user, row in rows.items()} == {"u1": 3}
    profile = site.folder / "profile.json"
    await asyncio.to_thread(succeeds, site, "profile", str(log), "--json", str(profile))
    assert orjson.loads(profile.read_bytes())["types"] == {"view": 2, "purchase": 1}
