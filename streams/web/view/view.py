"""The view: what the topics say, in one RocksDB folder, with the offsets up to which it is so.

A copy of what Kafka has. Where its files are damaged, or of another format or other topics, they are set aside and it
is made anew. Where a topic was created again, what was read of the one before is dropped.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Final

from state.errors import FolderInUseError, StoreCorruptError
from state.options import StoreMemory
from state.ordered_store import OrderedStore, set_aside
from streams.kafka.offset_reader import Position, TopicShape
from streams.settings.settings import Settings
from streams.web.view import keys
from streams.web.view.audience import Audience
from streams.web.view.batch import ViewBatch
from streams.web.view.catalog import Catalog
from streams.web.view.letters import Letters
from streams.web.view.positions import Positions
from streams.web.view.recent_events import RecentEvents
from streams.web.view.releases import Releases
from streams.web.view.rows import FORMAT, META_ROW, Meta, SegmentRow, Snapshot, encode
from streams.web.view.segments import Segments
from streams.web.view.snapshots import Snapshots
from streams.web.view.traffic import Traffic
from streams.web.view.users import Users
from streams.web.view.worker_quality import QualityRecords

log = logging.getLogger(__name__)

_OUTDATED_MS: Final = 20 * 3_600_000
"""Kafka keeps the mark of a user's erasure for a day at least: a view that was not written for longer may miss it"""
_RECENT_EVENTS: Final = 20_000
"""Of user-events only so many are read of what was there before: rates and newest events need no more"""
_MOST_EVENTS_BEHIND: Final = 100_000


class View:
    """All tables. One thread calls `begin`, `store` and `tick`, and what changes tables; any thread reads."""

    def __init__(self, settings: Settings) -> None:
        """Opens or creates it. Raises FolderInUseError, and StoreError where RocksDB refuses."""
        topics, self._web = settings.topics, settings.web
        self.topics = topics
        self._folder = settings.web.data_dir / "view"
        self._memory = StoreMemory(settings.web.cache_mb << 20)
        self._identity = json.dumps([settings.kafka.group_id, topics.interest_predictions, topics.item_catalog,
                                     topics.interest_quality, topics.user_events_dlq, topics.user_events])  # fmt: skip
        self._store = self._open()
        stored = self._store.get(keys.META)
        self.meta = Meta(FORMAT, self._identity) if stored is None else META_ROW(stored)
        self.audience = Audience(self._web.audience_half_life_s)
        self.audience.load(self._store, self.meta)
        self.positions = Positions(self._store)
        self.segments = Segments(self._store)
        if self.segments.users != self.meta.users:
            self.segments.recount()  # a process that died while it dropped a topic has left another number
        self.users = Users(self._store, self.audience, self.segments, self.meta, self._web.history_points)
        self.catalog = Catalog(self._store, self.meta)
        self.events = RecentEvents(self._store)
        self.quality = QualityRecords(self._store)
        self.letters = Letters(self._store, self.meta)
        self.releases = Releases(self._store)
        self.snapshots = Snapshots(self._store)
        self.traffic = Traffic()

    def begin(
        self, shapes: Mapping[str, TopicShape], begins: Mapping[Position, int], ends: Mapping[Position, int]
    ) -> dict[Position, int]:
        """The offsets to read from; drops what is of topics that are not these."""
        for topic in self.positions.replaced(shapes, ends):
            log.warning("%s was deleted and created again: what was read of the one before is dropped", topic)
            self._forget(topic)
        if self.meta.users and self._is_outdated():
            log.warning(
                "the view was not written for %d hours: it is made anew, as it may hold users that were erased since",
                _OUTDATED_MS // 3_600_000,
            )
            self._forget(self.topics.interest_predictions)
        batch = ViewBatch(self._store)
        for topic, shape in shapes.items():
            self.positions.put_topic(topic, shape, batch)
        stored = self.positions.all()
        offsets = {position: max(stored.get(position, 0), begin) for position, begin in begins.items()}
        for position, end in ends.items():
            if position[0] == self.topics.user_events:
                recent = max(begins[position], end - _RECENT_EVENTS // shapes[position[0]].partitions)
                if position not in stored or end - offsets[position] > _MOST_EVENTS_BEHIND:
                    offsets[position] = recent
        self.traffic.forget_positions()
        self.store(batch)
        return offsets

    def new_batch(self) -> ViewBatch:
        """Changes that `store` makes visible."""
        return ViewBatch(self._store)

    def store(self, batch: ViewBatch) -> None:
        """Writes the batch, and the counters and shares that have changed with it."""
        self.audience.store(batch)
        self.segments.store(batch)
        self.meta.written_ms = _now_ms()
        batch.put(keys.META, encode(self.meta))
        self._store.write(batch.changes)

    def tick(self) -> None:
        """Takes the snapshots that are due, once there are users. To be called while all that Kafka has is read."""
        if not self.meta.users:
            return
        batch = ViewBatch(self._store)
        self.snapshots.take(_now_ms(), self._snapshot, batch)
        if batch.changes:
            self.store(batch)

    def close(self) -> None:
        """Releases the folder."""
        self._store.close()

    def _snapshot(self) -> Snapshot:
        snapshot = self.audience.snapshot()
        snapshot.segments = [SegmentRow(*segment, users) for segment, users in self.segments.sizes()]
        return snapshot

    def _is_outdated(self) -> bool:
        return _now_ms() - self.meta.written_ms > _OUTDATED_MS

    def _forget(self, topic: str) -> None:
        """Drops what was read of a topic."""
        meta = self.meta
        kinds: tuple[bytes, ...] = ()
        if topic == self.topics.interest_predictions:
            kinds = (keys.USER, keys.POINT, keys.ITEM_MASS, keys.CATEGORY_MASS, keys.SNAPSHOT, keys.SEGMENT)
            meta.users, meta.weight, meta.landmark_ms = 0, 0.0, 0
        elif topic == self.topics.interest_churn:
            kinds = (keys.RISK,)
        elif topic == self.topics.item_catalog:
            kinds, meta.items = (keys.ITEM,), 0
        elif topic == self.topics.interest_quality:
            kinds = (keys.WORKER,)
        elif topic == self.topics.user_events_dlq:
            kinds, meta.letters = (keys.LETTER, keys.REASON), 0
        elif topic == self.topics.user_events:
            kinds = (keys.EVENTS,)
        batch = ViewBatch(self._store)
        self.positions.forget(topic, batch)  # first: a process that dies from here on reads the topic again
        batch.put(keys.META, encode(meta))
        self._store.write(batch.changes)
        for kind in kinds:
            self._store.delete_prefix(kind)
        self.audience.load(self._store, meta)
        self.segments.recount()

    def _open(self) -> OrderedStore:
        try:
            store = OrderedStore(self._folder, self._memory)
        except FolderInUseError as error:
            raise FolderInUseError(
                f"{self._folder} is in use by another process: give each `interest-stream web` a folder of its own, "
                "--set web.data_dir=FOLDER"
            ) from error
        except StoreCorruptError as error:
            return self._open_anew(str(error))
        stored = store.get(keys.META)
        if stored is not None:
            try:
                meta = META_ROW(stored)
                fault = (
                    ""
                    if (meta.format, meta.identity) == (FORMAT, self._identity)
                    else "of other topics or another version"
                )
            except ValueError:
                fault = "no view of this program"
            if fault:
                store.close()
                return self._open_anew(f"{self._folder} is {fault}")
        return store

    def _open_anew(self, fault: str) -> OrderedStore:
        log.warning("%s. It is set aside as %s, and the view is made anew", fault, set_aside(self._folder))
        return OrderedStore(self._folder, self._memory)


def _now_ms() -> int:
    return int(time.time() * 1000)
