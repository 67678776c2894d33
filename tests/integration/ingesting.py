"""Topics that are keyed otherwise, processes that ingest them, and what must come out: every event once."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import GroupCoordinatorNotAvailableError

from streams.ingest.source_topics import ingest_group
from streams.kafka.reader import partition_of
from streams.schema.dead_letters.reader import Letter, letters_of
from tests.integration.acls import Acl, Acls, names_of, topics_acls
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.worker import DEADLINE_S, Command, Fault
from tests.secured_kafka import SecuredKafka
from tests.topics import create_topics

BAD_EVERY = 25
"""Of so many records one cannot be used"""

SourceRecord = tuple[bytes | None, bytes | None]
"""Key and value"""


def session_record(number: int) -> SourceRecord:
    """The n-th record of a topic that is keyed by session: a click whose id is its number, or none at all."""
    session = f"s{number % 31}".encode()
    if number % BAD_EVERY == 0:
        return session, b"bad %d" % number
    fields = {"user_id": f"u{number % 97}", "event_type": "click", "item_id": f"i{number % 13}"}
    return session, orjson.dumps(fields | {"timestamp": 1731900000000 + number, "event_id": f"e{number}"})


def order_record(number: int) -> SourceRecord:
    """The n-th order of a shop that sends Segment's calls without a key: two products of one user."""
    products = [{"product_id": f"p{number % 7}", "price": 5}, {"product_id": f"p{number % 11}"}]
    order = {"type": "track", "event": "Order Completed", "userId": f"u{number % 97}", "messageId": f"o{number}"}
    return None, orjson.dumps(order | {"timestamp": 1731900000000 + number, "properties": {"products": products}})


class IngestSite:
    """Source topics beside a deployment, and processes that ingest them."""

    def __init__(self, site: Deployment, processes: list[Command]) -> None:
        self.site = site
        self.processes = processes
        self.clicks = f"{site.settings.kafka.group_id}-clicks"
        self.orders = f"{site.settings.kafka.group_id}-orders"
        self.group = ingest_group(site.settings)
        self.sent: Counter[str] = Counter()  # event ids that must come out, each once
        self.bad = 0

    async def create(self) -> IngestSite:
        await create_topics(self.site.servers, {self.clicks: 4, self.orders: 3})
        return self

    def start(self, *words: str, fault: Fault | None = None) -> Command:
        """A process that ingests both topics."""
        return self.start_from([self.clicks, self.orders], *words, fault=fault)

    def start_from(self, sources: Sequence[str], *words: str, fault: Fault | None = None) -> Command:
        """A process that ingests these topics."""
        log = self.site.folder / f"ingest-{len(self.processes)}.log"
        overrides = [f"--set={override}" for override in self.site.overrides("a")]
        command = ["ingest", *(f"--from={source}" for source in sources), *overrides, *words]
        self.processes.append(Command(command, log, fault))
        return self.processes[-1]

    async def ends_with(self, process: Command, *messages: str) -> None:
        """It has ended with one line that says these."""
        assert await process.ended() == 1, process.text()
        last = process.text().rpartition("error: ")[2]
        assert "Traceback" not in process.text()
        for message in messages:
            assert message in last, process.text()

    async def stop(self, process: Command, number: signal.Signals = signal.SIGTERM) -> None:
        """It has ended in order."""
        await process.wait_for("as a member of the group")
        process.send(number)
        assert await process.ended() == 0, process.text()

    async def send(self, numbers: Iterable[int]) -> None:
        """A click and an order of each number."""
        async with self.site.producer(enable_idempotence=True) as producer:
            for number in numbers:
                key, value = session_record(number)
                await producer.send(self.clicks, value, key=key)
                await producer.send(self.orders, order_record(number)[1])
                self.bad += number % BAD_EVERY == 0
                self.sent.update(f"o{number}:{index}" for index in range(2))
                if number % BAD_EVERY:
                    self.sent[f"e{number}"] += 1
            await producer.flush()

    async def finish(self, fault: Fault | None = None) -> None:
        """All that was sent is ingested."""
        last = self.start("--until-end", fault=fault)
        code = await last.ended()
        assert code == 0, last.text()

    async def events(self) -> list[Any]:
        """The records of `user-events`, committed, those of transactions open now included."""
        return [record async for record in self.site.read(self.site.settings.topics.user_events)]

    async def letters(self) -> list[Letter]:
        return letters_of([r async for r in self.site.read(self.site.settings.topics.user_events_dlq)])

    async def check(self) -> None:
        """Every event has come out once, in its user's partition, and every bad record is one dead letter."""
        records = await self.events()
        events = [orjson.loads(record.value) for record in records]
        counted = Counter(event["event_id"] for event in events)
        assert counted == self.sent, f"lost {self.sent - counted}, doubled {counted - self.sent}"
        for record, event in zip(records, events, strict=True):
            assert record.key == event["user_id"].encode()
            assert record.partition == partition_of(record.key, self.site.settings.topics.partitions)
        letters = await self.letters()
        assert {letter.reason for letter in letters} <= {"not_json"}
        assert len({letter.value for letter in letters}) == len(letters) == self.bad
        assert {letter.topic for letter in letters} <= {self.clicks}

    async def committed(self) -> int:
        """Sum of the group's committed offsets."""
        async with self.site.admin() as admin:
            return await self._committed(admin)

    async def _committed(self, admin: Any) -> int:
        try:
            committed = await admin.list_consumer_group_offsets(self.group)
        except GroupCoordinatorNotAvailableError:  # a broker that has had no group before
            return 0
        return sum(metadata.offset for metadata in committed.values() if metadata.offset > 0)

    async def reached(self, records: int) -> None:
        """The group has committed so many records."""
        async with asyncio.timeout(DEADLINE_S), self.site.admin() as admin:
            while await self._committed(admin) < records:
                logs = [process.text()[-2000:] for process in self.processes]
                assert not self.processes or any(p.exit_code is None for p in self.processes), logs
                await asyncio.sleep(0.05)


async def feed(ingest: IngestSite, batches: Sequence[Sequence[int]], seed: int = 3) -> None:
    """Sends batch after batch, at most some hundredths of a second apart."""
    chance = random.Random(seed)
    for batch in batches:
        await ingest.send(batch)
        await asyncio.sleep(chance.uniform(0, 0.05))


async def orders_to_ingest(secured: SecuredKafka, site: Deployment) -> tuple[str, list[Acl]]:
    """A topic with ten records, of which two cannot be used, and the rights that ingesting it needs."""
    names, group = names_of(site.settings), site.settings.kafka.group_id
    Acls(secured).set(topics_acls(site.settings))
    await site.create()
    source = f"{group}-orders"
    await create_topics(secured.kafka.bootstrap_servers, {source: 1})
    async with AIOKafkaProducer(bootstrap_servers=secured.kafka.bootstrap_servers) as producer:
        for number in range(10):
            await producer.send_and_wait(source, round_robin_event(number)[1] if number % 5 else b"bad")
    return source, [  # those of docs/kafka.md
        ("topic", source, "Read"),
        ("topic", names["source"], "Write"),
        ("topic", names["dlq"], "Write"),
        ("group", f"{group}-ingest", "Read"),
        ("transactional-id", f"{group}-", "Write"),
    ]
