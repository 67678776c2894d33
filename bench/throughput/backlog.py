"""Backlog: a topic filled with user events, the same for every measured program."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models.progress import ProgressCallback

ITEMS = 1000
_CHUNK = 5000  # records
_BATCH_BYTES = 128 << 10


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events keyed by user, users drawn by Zipf's law with exponent `skew` (0: uniform); the same for the same seed."""

    events: int
    users: int
    skew: float
    partitions: int
    seed: int = 0

    def draw_users(self) -> NDArray[np.int64]:
        """User of each event [n]."""
        weight = np.arange(1, self.users + 1, dtype=np.float64) ** -self.skew
        return np.random.default_rng(self.seed).choice(self.users, self.events, p=weight / weight.sum())

    def records(self) -> list[tuple[int, bytes, bytes]]:
        """(partition, key, value) of each event, in order."""
        rng = np.random.default_rng(self.seed + 1)
        pairs = zip(self.draw_users().tolist(), rng.integers(1, ITEMS + 1, self.events).tolist(), strict=True)
        records = []
        for number, (user, item) in enumerate(pairs):
            user_id = f"user-{user:06d}"
            event = {
                "schema_version": 1,
                "event_id": f"event-{number:09d}",
                "event_type": "click",
                "user_id": user_id,
                "item_id": f"item-{item}",
                "timestamp": 1_700_000_000_000 + 1000 * number,
                "session_id": f"session-{user}",
            }
            key = user_id.encode()
            records.append((crc32(key) % self.partitions, key, msgspec.json.encode(event)))
        return records


async def create_topics(bootstrap_servers: str, partitions: int, topics: Mapping[str, str]) -> None:
    """Create the topics; `topics` maps names to cleanup policies."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs={"cleanup.policy": policy}) for name, policy in topics.items()]
        )
    finally:
        await admin.close()


async def produce(bootstrap_servers: str, topic: str, backlog: Backlog, on_progress: ProgressCallback) -> None:
    """Fill the topic with the backlog."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    try:
        records = backlog.records()
        for start in range(0, len(records), _CHUNK):
            await _produce_chunk(producer, topic, records[start : start + _CHUNK])
            on_progress(min(start + _CHUNK, len(records)), len(records))
    finally:
        await producer.stop()


async def count_records(bootstrap_servers: str, topic: str, partitions: int) -> int:
    """Sum of the end offsets of all partitions: the records and, with transactions, their markers."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(partitions)])
        return sum(ends.values())
    finally:
        await consumer.stop()


async def _produce_chunk(producer: AIOKafkaProducer, topic: str, records: list[tuple[int, bytes, bytes]]) -> None:
    now_ms = int(time.time() * 1000)
    batches: defaultdict[int, BatchBuilder] = defaultdict(producer.create_batch)
    sent = []
    for partition, key, value in records:
        batch = batches[partition]
        if batch.append(key=key, value=value, timestamp=now_ms) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = batches[partition] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    for partition, batch in batches.items():
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)
