"""Lower bound of the cost in Python: batches with aiokafka and rocksdict, without Faust and transactions.

Decodes events, reads and copies the users' rows, writes rows, changelog and one prediction per event, all in batches.
At-least-once; input is not validated, state is not restored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import TopicPartition
from rocksdict import Options, Rdict, WriteBatch

from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Meter, exit_now

_MAX_RECORDS = 5000
_BATCH_BYTES = 1 << 20


class UserEvent(msgspec.Struct):
    """An input event."""

    event_id: str
    event_type: str
    user_id: str
    item_id: str
    timestamp: int


class Prediction(msgspec.Struct):
    """An output prediction."""

    prediction_id: str
    user_id: str
    caused_by: str
    event_time: int
    items: list[str]
    item_p: list[float]
    other_p: float
    categories: list[str]
    category_p: list[float]
    because: list[str]
    because_weight: list[float]
    model_version: str = "m1"
    schema_version: int = 1


class Partition:
    """State rows of one partition, and the partitions of its changelog and predictions."""

    def __init__(self, job: Job, number: int) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        self.rows = Rdict(str(job.data_dir / f"partition-{number}"), options)
        self.changelog = TopicPartition(job.changelog, number)
        self.predictions = TopicPartition(job.predictions, number)
        self._empty_row = bytes(job.row_bytes)
        self._row_bytes = job.row_bytes

    def step(
        self, records: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """Store the users' new rows; return (changelog records, prediction records)."""
        decode = msgspec.json.Decoder(UserEvent).decode
        events = [decode(record.value or b"") for record in records]
        users = [event.user_id.encode() for event in events]
        distinct = list(dict.fromkeys(users))
        values = cast(list[bytes | None], self.rows.get(list(distinct)))
        stored = [self._empty_row if row is None else row for row in values]
        rows = np.frombuffer(b"".join(stored), np.uint8).reshape(-1, self._row_bytes).copy()  # [U, bytes]
        packed, size = rows.tobytes(), self._row_bytes
        changed = [(user, packed[i * size : (i + 1) * size]) for i, user in enumerate(distinct)]
        batch = WriteBatch(raw_mode=True)
        for user, row in changed:
            batch[user] = row
        self.rows.write(batch)
        encode = msgspec.json.Encoder().encode
        return changed, [(user, encode(_predict(event))) for user, event in zip(users, events, strict=True)]


def _predict(event: UserEvent) -> Prediction:
    return Prediction(
        prediction_id=f"{event.event_id}:m1",
        user_id=event.user_id,
        caused_by=event.event_id,
        event_time=event.timestamp,
        items=[f"item-{i}" for i in range(10)],
        item_p=[0.05] * 10,
        other_p=0.5,
        categories=[f"category-{i}" for i in range(5)],
        category_p=[0.2] * 5,
        because=[f"item-{i}" for i in range(3)],
        because_weight=[0.3] * 3,
    )


async def _send(producer: AIOKafkaProducer, tp: TopicPartition, records: Iterable[tuple[bytes, bytes]]) -> None:
    now_ms, batch, sent = int(time.time() * 1000), producer.create_batch(), []
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=now_ms) is None:
            sent.append(await producer.send_batch(batch, tp.topic, partition=tp.partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    sent.append(await producer.send_batch(batch, tp.topic, partition=tp.partition))
    await asyncio.gather(*sent)


async def _run(job: Job) -> None:
    meter = Meter(job)
    consumer = AIOKafkaConsumer(
        job.source,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.run,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap_servers, acks="all", max_batch_size=_BATCH_BYTES, max_request_size=_BATCH_BYTES
    )
    await consumer.start()
    await producer.start()
    partitions = {number: Partition(job, number) for number in range(job.partitions)}
    done = False
    while not done:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=_MAX_RECORDS)
        sending = []
        for tp, records in fetched.items():
            partition = partitions[tp.partition]
            changed, predictions = partition.step(records)
            sending += [
                _send(producer, partition.changelog, changed),
                _send(producer, partition.predictions, predictions),
            ]
        if sending:
            await asyncio.gather(*sending)
            await consumer.commit()
            done = meter.add_events(sum(map(len, fetched.values())))
    exit_now()


if __name__ == "__main__":
    asyncio.run(_run(Job.from_argv()))
