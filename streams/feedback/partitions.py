"""The partitions that the group has given this process: opened, with their stores restored from the changelog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from aiokafka.structs import TopicPartition

from state.errors import StoreError
from state.options import StoreMemory
from streams.feedback.feedback_store import FeedbackStore, StorePosition
from streams.feedback.partition_reader import PartitionReader
from streams.feedback.topics import PolicyTopicIds, feedback_changelog
from streams.settings.settings import Settings
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)

_RESTORED_AT_ONCE = 10_000


class Partitions:
    """Stores by partition. `open` after the offsets of the partitions are known and settled."""

    def __init__(self, settings: Settings, reader: PartitionReader, topics: PolicyTopicIds) -> None:
        self._settings = settings
        self._reader = reader
        self._topics = topics
        self._folder: Path = settings.policy.data_dir
        self._memory = StoreMemory(settings.worker.cache_mb << 20)
        self._changelog = feedback_changelog(settings)
        self.stores: dict[int, FeedbackStore] = {}
        self.positions: dict[int, StorePosition] = {}
        self.restored = 0
        """Changelog records that were restored since the start"""

    def changelog(self, partition: int) -> TopicPartition:
        """The changelog of a partition."""
        return TopicPartition(self._changelog, partition)

    def predictions(self, partition: int) -> TopicPartition:
        """The predictions of its users."""
        return TopicPartition(self._settings.topics.interest_predictions, partition)

    async def open(self, partitions: Collection[int], is_current: Callable[[], bool]) -> bool:
        """Opens and restores their stores; whether they are still ours then."""
        await self.close()
        for partition in sorted(partitions):
            store = await in_thread(self._open_store, partition)
            self.stores[partition] = store
        ends = await self._reader.settled_ends([self.changelog(partition) for partition in partitions])
        begins = await self._reader.begins([self.changelog(partition) for partition in partitions])
        prediction_begins = await self._reader.begins([self.predictions(partition) for partition in partitions])
        prediction_ends = await self._reader.ends([self.predictions(partition) for partition in partitions])
        for partition, store in self.stores.items():
            tp, predictions = self.changelog(partition), self.predictions(partition)
            ids = self._topics.topic_id(tp.topic), self._topics.topic_id(predictions.topic)
            known = store.position
            if known is None or known.changelog_id != ids[0] or not begins[tp] <= known.changelog <= ends[tp]:
                await in_thread(store.clear)
                known = None
            position = known or StorePosition(ids[0], begins[tp], ids[1], prediction_begins[predictions])
            in_range = prediction_begins[predictions] <= position.predictions <= prediction_ends[predictions]
            if position.predictions_id != ids[1] or not in_range:
                position = StorePosition(ids[0], position.changelog, ids[1], prediction_begins[predictions])
            self.positions[partition] = position
        await self._restore({self.changelog(partition): partition for partition in partitions}, ends, is_current)
        return is_current()

    async def close(self) -> None:
        """Releases all files, those of a store that cannot be written any more too: the changelog has all of it."""
        stores, self.stores, self.positions = self.stores, {}, {}
        for store in stores.values():
            try:
                await in_thread(store.close)
            except StoreError as error:
                log.warning("nothing is lost, the changelog has it: %s", error)

    def moved(self, partition: int, changelog: int | None, predictions: int | None) -> StorePosition:
        """The position after these ends; None where nothing was written or read."""
        before = self.positions[partition]
        return StorePosition(
            before.changelog_id,
            before.changelog if changelog is None else changelog,
            before.predictions_id,
            before.predictions if predictions is None else predictions,
        )

    def _open_store(self, partition: int) -> FeedbackStore:
        horizon_ms = int(self._settings.feedback.horizon_s * 1000)
        return FeedbackStore(self._folder / f"partition-{partition}", self._memory, horizon_ms)

    async def _restore(
        self,
        changelogs: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        is_current: Callable[[], bool],
    ) -> None:
        self._reader.assign({tp: self.positions[partition].changelog for tp, partition in changelogs.items()})
        reached = False
        while not reached and is_current():
            fetched, reached = await self._reader.read_to(ends, _RESTORED_AT_ONCE)
            for tp, records in fetched.items():
                partition = changelogs[tp]
                changes = {record.key: record.value for record in records if record.key is not None}
                position = self.moved(partition, await self._reader.position(tp), None)
                await in_thread(self.stores[partition].write, changes, {}, position)
                self.positions[partition] = position
                self.restored += len(records)
            await asyncio.sleep(0)
