"""Topics and plain aiokafka clients of one broker, for contract tests.

Knows nothing of the code under `streams`: a contract is pinned against the library itself. aiokafka is untyped, so its
clients are `Any` here.
"""

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.topics import create_topics

Isolation = Literal["read_committed", "read_uncommitted"]
Producer: Any = AIOKafkaProducer
Consumer: Any = AIOKafkaConsumer


async def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Returns once the condition, plain or a coroutine, holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while True:
            holds = condition()
            if await holds if inspect.iscoroutine(holds) else holds:
                return
            await asyncio.sleep(0.02)


class Cluster:
    """Short-lived clients of one broker; each name that it makes is used once."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def name(self, prefix: str) -> str:
        return f"{prefix}-{uuid.uuid4().hex[:12]}"

    async def create_topic(
        self, partitions: int = 1, config: Mapping[str, str] | None = None, name: str | None = None
    ) -> str:
        """Name of a new empty topic."""
        topic = name or self.name("contract")
        await create_topics(self.bootstrap_servers, {topic: partitions}, config=config)
        return topic

    @asynccontextmanager
    async def producer(self, transactional_id: str | None = None, **options: Any) -> AsyncIterator[Any]:
        producer = Producer(bootstrap_servers=self.bootstrap_servers, transactional_id=transactional_id, **options)
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()
            ending = transactional_id and producer._txn_manager.wait_for_transaction_end()
            if ending and ending.done():
                ending.exception()  # a fatal error is set on it, and nobody else would retrieve it

    @asynccontextmanager
    async def consumer(self, *topics: str, **options: Any) -> AsyncIterator[Any]:
        defaults: dict[str, Any] = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        consumer = Consumer(*topics, bootstrap_servers=self.bootstrap_servers, **(defaults | options))
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0) -> None:
        async with self.producer() as producer:
            for value in values:
                await producer.send_and_wait(topic, value, key=b"k", partition=partition)

    async def end_offset(self, topic: str, isolation: Isolation, partition: int = 0) -> int:
        """High watermark for `read_uncommitted`, last stable offset for `read_committed`."""
        tp = TopicPartition(topic, partition)
        async with self.consumer(isolation_level=isolation) as consumer:
            consumer.assign([tp])
            offsets = await consumer.end_offsets([tp])
        return int(offsets[tp])

    async def read(self, topic: str, isolation: Isolation, partition: int = 0) -> list[bytes | None]:
        """Values that a reader of this isolation level sees now, in offset order."""
        tp = TopicPartition(topic, partition)
        values: list[bytes | None] = []
        async with self.consumer(isolation_level=isolation, fetch_max_wait_ms=50) as consumer:
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(tp, timeout_ms=50)).values():
                    values += [record.value for record in records]
        return values

    async def read_committed(self, topic: str, count: int) -> list[bytes | None]:
        """Values that are committed, once there are so many: a commit is answered before its markers are written."""
        async with asyncio.timeout(60):
            while len(values := await self.read(topic, "read_committed")) < count:
                pass
        return values

    async def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        async with self.consumer(group_id=group) as consumer:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            offset = await consumer.committed(tp)
        return None if offset is None else int(offset)

    async def at_least_committed(self, group: str, topic: str, offset: int) -> bool:
        return (await self.committed(group, topic) or 0) >= offset
