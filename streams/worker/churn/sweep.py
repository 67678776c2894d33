"""The sweep: looks through the rows of one partition after the other, and warns of users who fall silent.

It runs between micro-batches, some users at a time, and writes in the worker's transaction: warnings, and how far it
is. What a partition's warnings are is read from the topic by each new owner, so that each user has each level once,
whatever fails when: what was not committed is found again, what was committed is known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models.data.user_row import user_row_fields
from models.inference.predictions import ModelVersion, Outlook
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from streams.kafka.transaction import ProducerRecord
from streams.schema.churn import SWEEP_KEY, SweepPosition
from streams.settings.settings import Settings
from streams.worker.batch import MicroBatch
from streams.worker.churn.assessment import return_of, risk_levels, warnings_of
from streams.worker.churn.churn_log import ChurnLog, PartitionWarnings
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.pipeline import Pipeline
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)

CHUNK_USERS: Final = 256
"""Looked at at once: some ms, for which a micro-batch may wait"""
MOST_WARNED: Final = 24
"""Of them, users who are warned of at once: what each would want takes a thousand times as long as to look at one"""
_POSITION_S: Final = 10.0
"""Where nobody is warned of, the position is written so rarely: what was looked at since is looked at again"""
_IDLE_S: Final = 1.0
_REST: Final = 3.0
"""Of each time in work: a first pass over many silent users takes a quarter of a worker's time at most"""


class OutlookEngine(Protocol):
    """The model as the sweep needs it."""

    @property
    def version(self) -> ModelVersion:
        """Of the weights."""
        ...

    def return_p(
        self, rows: NDArray[np.void], silent_s: NDArray[np.float64], lineage: NDArray[np.uint32] | None = None
    ) -> NDArray[np.float32]:
        """[U, H] probability of an event within each horizon."""
        ...

    def outlook(
        self, rows: NDArray[np.void], silent_s: NDArray[np.float64], lineage: NDArray[np.uint32] | None = None
    ) -> Outlook:
        """That, and what the users would want."""
        ...


class _Found(NamedTuple):
    """What a chunk leads to."""

    levels: dict[bytes, int]
    values: list[tuple[bytes, bytes]]
    newest_ms: int
    looked: int  # users, of those given, whom all of it is about


class ChurnSweep:
    """For the step loop: `load` at any time, `run` while the partitions are kept open and no step is in work."""

    def __init__(
        self,
        settings: Settings,
        engine: OutlookEngine,
        items: ItemVocabulary,
        churn_log: ChurnLog,
        pipeline: Pipeline,
        partitions: AssignedPartitions,
    ) -> None:
        self._settings = settings.churn
        self._topic = settings.topics.interest_churn
        self._engine = engine
        self._items = items
        self._log = churn_log
        self._pipeline = pipeline
        self._partitions = partitions
        self._layout = RowLayout(user_row_fields(settings.model))
        self._warnings: dict[int, PartitionWarnings] = {}
        self._written_s = 0.0
        self._newest_ms = 0
        self.users = 0
        """Users that were looked at so far"""
        self.warned = 0
        """Warnings that were committed"""
        self.seconds = 0.0
        """Wall time in `run`, for which micro-batches had to wait"""

    @property
    def log(self) -> ChurnLog:
        """What it reads partitions by; to be started before, and stopped after."""
        return self._log

    def observe(self, batch: MicroBatch) -> None:
        """Learn from a committed micro-batch who has come back, and who was deleted."""
        if len(batch.events):
            self._newest_ms = max(self._newest_ms, int(batch.event_batch.time_ms.max()))
        for index, part in enumerate(batch.parts):
            warnings = self._warnings.get(part.state.partition)
            if warnings is None or warnings.state is not part.state or not warnings.levels:
                continue
            for deleted in part.deleted:
                warnings.levels.pop(deleted.encode(), None)
            of_part = np.flatnonzero(batch.part_index[: len(batch.last_event)] == index).tolist()
            warnings.returned |= dict.fromkeys(user for row in of_part if (user := batch.users[row]) in warnings.levels)

    async def load(self) -> None:
        """Reads the warnings of partitions that were opened since. Raises KafkaError."""
        states = self._partitions.states()
        self._warnings = {
            state.partition: known
            for state in states
            if (known := self._warnings.get(state.partition)) is not None and known.state is state
        }
        for state in states:
            if state.partition not in self._warnings:
                loaded = await self._log.load(state)
                self._newest_ms = max(self._newest_ms, loaded.position.clock_ms)
                # Users whose return an owner before has not written yet are found by the next pass.
                self._warnings[state.partition] = loaded

    async def run(self, compute: Executor, run_in: Any) -> float:
        """Looks at some users, and commits what follows; seconds until the next call. Raises TransactionFailed.

        `run_in` is the event loop's `run_in_executor`.
        """
        began_s = time.perf_counter()
        warnings = self._next()
        if warnings is None:
            return _IDLE_S
        position = warnings.position
        if warnings.returned:
            users = list(islice(warnings.returned, CHUNK_USERS))
            stored = await in_thread(warnings.state.store.get_many, users)
            pairs = [(user, row) for user, row in zip(users, stored, strict=True) if row is not None]
        else:
            users = []
            if position.is_done:
                position = SweepPosition(int(time.time() * 1000), "", is_done=False, clock_ms=self._newest_ms)
            rows = warnings.state.store.rows(position.after.encode())
            pairs = await in_thread(lambda: list(islice(rows, CHUNK_USERS)))
        chunk = await run_in(compute, self._find, pairs, warnings, bool(users))
        self._newest_ms = max(self._newest_ms, chunk.newest_ms)
        looked = 0 if users else chunk.looked
        if not users:
            after = pairs[looked - 1][0].decode() if looked else position.after
            is_done = looked == len(pairs) < CHUNK_USERS
            position = SweepPosition(position.began_ms, after, is_done, self._newest_ms)
        due = position.is_done or time.monotonic() - self._written_s > _POSITION_S
        if chunk.values or (due and not users):
            await self._write(warnings, chunk, position)
        warnings.position = position
        for user, level in chunk.levels.items():
            if level:
                warnings.levels[user] = level
            else:
                warnings.levels.pop(user, None)
        for user in users:
            warnings.returned.pop(user, None)
        self.users += looked
        self.warned += len(chunk.values)
        spent_s = time.perf_counter() - began_s
        self.seconds += spent_s
        return max(max(looked, 1) / self._settings.users_per_s - spent_s, _REST * spent_s)

    def _next(self) -> PartitionWarnings | None:
        """Of users who have come back, else of the pass in work, else of the one that is due for longest."""
        now_ms = time.time() * 1000
        present = [
            warnings
            for state in self._partitions.states()
            if (warnings := self._warnings.get(state.partition)) is not None and warnings.state is state
        ]
        due = [
            warnings
            for warnings in present
            if warnings.returned
            or not warnings.position.is_done
            or now_ms - warnings.position.began_ms >= self._settings.sweep_interval_s * 1000
        ]
        return min(due, key=_urgency, default=None)

    def _find(self, pairs: Sequence[tuple[bytes, bytes]], warnings: PartitionWarnings, returned: bool) -> _Found:
        """What is to be written of these users and their rows. Pure computing."""
        rows = self._layout.unpack([row for _, row in pairs])
        users = [user for user, _ in pairs]
        newest_ms = int(rows["last_time_ms"].max(initial=0))
        if returned:
            values = [(user, return_of(user, row, self._engine.version)) for user, row in zip(users, rows, strict=True)]
            return _Found(dict.fromkeys(users, 0), values, newest_ms, len(pairs))
        kept = np.flatnonzero(rows["steps"])
        rows, users = rows[kept], [users[row] for row in kept.tolist()]
        if not users:
            return _Found({}, [], newest_ms, len(pairs))
        register = self._items.register
        if register.has_evicted:
            rows["ring_item"] = register.slots(rows["ring_item"])
        now_ms = self._now_ms(newest_ms)
        silent_s = np.maximum(now_ms - rows["last_time_ms"], 0) / 1000
        known = np.array([warnings.levels.get(user, 0) for user in users])
        no_event_p = 1 - self._engine.return_p(rows, silent_s, rows["lineage"])[:, -1].astype(np.float64)
        # An owner before may have ended after the events of a user who came back, and before it said so.
        back = (known > 0) & (silent_s < self._settings.min_silent_days * 86_400)
        levels = risk_levels(no_event_p, silent_s, known, self._settings)
        levels[back] = 0
        raised, looked = np.flatnonzero(levels > known), len(pairs)
        if len(raised) > MOST_WARNED:
            # The others with the next call.
            end = int(raised[MOST_WARNED])
            looked, raised = int(kept[end]), raised[:MOST_WARNED]
            levels, back = levels[:end], back[:end]
        values = [(users[row], return_of(users[row], rows[row], self._engine.version)) for row in np.flatnonzero(back)]
        if len(raised):
            chosen, silence = rows[raised], silent_s[raised]
            outlook = self._engine.outlook(chosen, silence, chosen["lineage"])
            named = [users[row] for row in raised.tolist()]
            made = warnings_of(
                named, chosen, levels[raised], outlook, silence, self._items, self._engine.version, now_ms
            )
            values += zip(named, made, strict=True)
        changed = np.flatnonzero(levels != known[: len(levels)]).tolist()
        return _Found({users[row]: int(levels[row]) for row in changed}, values, newest_ms, looked)

    def _now_ms(self, newest_ms: int) -> int:
        if self._settings.clock == "wall":
            return int(time.time() * 1000)
        return max(self._newest_ms, newest_ms)

    async def _write(self, warnings: PartitionWarnings, chunk: _Found, position: SweepPosition) -> None:
        records = [ProducerRecord(user, value) for user, value in chunk.values]
        records.append(ProducerRecord(SWEEP_KEY, position.encode()))
        tp = TopicPartition(self._topic, warnings.state.partition)
        await self._pipeline.write_beside(warnings.state, {tp: records})
        self._written_s = time.monotonic()


def _urgency(warnings: PartitionWarnings) -> tuple[bool, bool, int]:
    return not warnings.returned, warnings.position.is_done, warnings.position.began_ms
