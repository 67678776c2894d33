"""The oldest broker that works, and one that is older: both are real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.errors import KafkaStartError
from streams.kafka.client.broker_version import OLDEST_KAFKA
from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deployment
from tests.integration.worker import killed_at_end
from tests.older_kafka import OlderKafka

pytestmark = pytest.mark.slow

_OLDEST, _OLDER = f"{OLDEST_KAFKA}.0", "2.4.1"
_LOG = "user,item,time\n" + "".join(f"u{n % 7},i{n * 3 % 11},{1_700_000_000 + n}\n" for n in range(200))
_ITEMS = "id,title\n" + "".join(f"i{n},Title {n}\n" for n in range(11))

COMMANDS = [
    ("topics",),
    ("replay", "LOG"),
    ("synthesize", "--events=10", "--rate=max"),
    ("tail",),
    ("tail", "--stats"),
    ("show", "u1"),
    ("dlq", "list"),
    ("dlq", "show", "0:0"),
    ("dlq", "replay"),
    ("reset", "--to=earliest", "--yes"),
    ("train", "--registered", "LOG"),
]


@pytest.fixture(scope="module")
def older_kafka() -> Iterator[OlderKafka]:
    with ExitStack() as stack:
        try:
            kafka = stack.enter_context(OlderKafka(_OLDEST, _OLDER))
        except KafkaStartError as error:
            pytest.skip(f"Kafka {_OLDEST} and {_OLDER} do not start here: {error}")
        yield kafka


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(_LOG)
    return path


def test_all_that_works_on_a_new_broker_works_on_the_oldest(
    older_kafka: OlderKafka, prefix: str, tmp_path: Path, log: Path
) -> None:
    site = Deployment(older_kafka.servers(_OLDEST), prefix, tmp_path)
    items = tmp_path / "items.csv"
    items.write_text(_ITEMS)
    assert "exist at" in succeeds(site, "topics")
    succeeds(site, "replay", str(log), f"--items={items}")
    with killed_at_end(site.workers):
        asyncio.run(_killed_and_taken_over(site))
        assert "because of Title" in succeeds(site, "tail", "--from-start", "--limit=1")
        assert "recall@10" in succeeds(site, "tail", "--stats", "--from-start", "--limit=1")
        assert "Title" in succeeds(site, "show", "u1")
        assert "missing_field" in succeeds(site, "dlq", "list")
        assert "sku" in succeeds(site, "dlq", "show", "0:0")
        assert "1 events" in succeeds(site, "dlq", "replay", overrides=['events.map={item = "sku"}'])
        succeeds(site, "reset", "--to=earliest", "--yes")
        asyncio.run(_read_again(site))


async def _killed_and_taken_over(site: Deployment) -> None:
    """Rows and predictions are exact after a worker died in its work, as are those in RocksDB."""
    async with site.producer() as producer:
        topic = site.settings.topics.user_events
        event = b'{"user_id": "u1", "event_type": "click", "sku": "i1", "timestamp": 1731900000123}'
        await producer.send_and_wait(topic, event, b"u1", 0)
    await site.sent_by_others()
    first = site.worker("first")
    async with site.load():
        await site.more()
        first.kill()
    await site.finish(site.worker())
    await site.check(stopped=["a"])


async def _read_again(site: Deployment) -> None:
    worker = site.worker()
    await site.sent_by_others()
    await site.finish(worker)
    assert (await site.compare()).exact


def test_an_older_broker_is_refused_by_every_command_and_a_worker(
    older_kafka: OlderKafka, prefix: str, tmp_path: Path, log: Path
) -> None:
    site = Deployment(older_kafka.servers(_OLDER), prefix, tmp_path)
    line = (
        f"the broker at {site.servers} is older than Kafka {OLDEST_KAFKA} (it has TxnOffsetCommit up to version 2, and "
        f"version 3 is needed): upgrade the brokers to Kafka {OLDEST_KAFKA} or newer"
    )
    with killed_at_end(site.workers):
        worker = site.worker()
        for command in COMMANDS:
            assert fails(site, *(word.replace("LOG", str(log)) for word in command)) == f"error: {line}", command
        assert asyncio.run(worker.ended()) == 70
        assert worker.text().rstrip().endswith(f"stopping: {line}")
        assert "Traceback" not in worker.text()
