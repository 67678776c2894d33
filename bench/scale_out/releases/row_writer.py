"""Writes a changelog as workers do: rows of users with new events, some transactions a second, without predictions."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_row import user_row_fields
from state.rows import RowLayout
from streams.kafka.reader import PartitionOfKey
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.settings.settings import Settings

USERS: Final = 20_000
SKEW: Final = 1.0
INTERVAL_S: Final = 0.1
"""From one transaction to the next"""
# Users come back after a minute or more, as people do: faster ones would have less influence on what is learnt.
_GAP_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class CommittedRows:
    """One transaction."""

    time_s: float
    """When it was committed, since the epoch"""
    ends: dict[int, int]
    """Changelog offset after its rows, by partition"""
    events: int


class RowWriter:
    """Events of users drawn evenly, with items drawn by Zipf's law, as the rows of the users after each step."""

    def __init__(self, settings: Settings, items: int, seed: int = 0) -> None:
        self.committed: list[CommittedRows] = []
        self._topic = settings.changelog_topic
        self._layout = RowLayout(user_row_fields(settings.model))
        self._rows = self._layout.new(USERS)
        self._keys = [f"user-{number:06d}".encode() for number in range(USERS)]
        self._partition_of = PartitionOfKey(settings.topics.partitions)
        self._writer = TransactionWriter(settings.kafka)
        self._random = np.random.default_rng(seed)
        weight = 1 / np.arange(1, items + 1, dtype=np.float64) ** SKEW
        self._item_below = np.cumsum(weight / weight.sum())
        self._time_ms = np.full(USERS, 1_700_000_000_000)

    async def run(self, rate_per_s: float, seconds: float) -> None:
        """Writes at the rate, or slower where the broker is."""
        await self._writer.start()
        try:
            begin_s, sent = time.monotonic(), 0
            while (elapsed_s := time.monotonic() - begin_s) < seconds:
                due = int((elapsed_s + INTERVAL_S) * rate_per_s) - sent
                if due > 0:
                    await self._write(due)
                    sent += due
                await asyncio.sleep(max(0.0, INTERVAL_S - (time.monotonic() - begin_s) % INTERVAL_S))
        finally:
            await self._writer.stop()

    def step(self, events: int) -> tuple[NDArray[np.int64], list[bytes]]:
        """So many new events: the users that have some, in ascending order, and their rows after them."""
        user, number = np.unique(self._random.integers(0, USERS, events), return_inverse=True)
        number = np.sort(number)
        item = np.searchsorted(self._item_below, self._random.random(events)) + 1
        gap = self._random.integers(_GAP_MS, 10 * _GAP_MS, len(user))
        self._time_ms[user] += gap
        batch = EventBatch(
            number, item.clip(max=len(self._item_below)), np.zeros(events, np.int64), self._time_ms[user][number]
        )
        rows = self._rows[user]
        timeline = Timeline(batch, rows)
        after = rows.copy()
        timeline.advance(after)
        after["count"] += timeline.count.astype(after["count"].dtype)
        after["new_steps"] = timeline.count
        self._rows[user] = after
        return user, self._layout.pack(after)

    async def _write(self, events: int) -> None:
        records: defaultdict[TopicPartition, list[ProducerRecord]] = defaultdict(list)
        users, values = self.step(events)
        for user, value in zip(users.tolist(), values, strict=True):
            key = self._keys[user]
            records[TopicPartition(self._topic, self._partition_of[key])].append(ProducerRecord(key, value))
        ends = await self._writer.write(records)
        self.committed.append(CommittedRows(time.time(), {tp.partition: end for tp, end in ends.items()}, events))
