"""Positions: how far each topic is read, and which topic that was."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from state.ordered_store import OrderedStore
from streams.kafka.offset_reader import Position, TopicShape
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import OFFSET, TOPIC, id_key, offset_key, partition_of_key
from streams.web.view.rows import TOPIC_ROW, TopicRow, encode


class Positions:
    """Next offsets by partition, stored in the same batch as what was read before them."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store

    def put(self, offsets: Mapping[Position, int], batch: ViewBatch) -> None:
        """These partitions are read up to these offsets."""
        for (topic, partition), offset in offsets.items():
            batch.put(offset_key(topic, partition), offset.to_bytes(8, "big"))

    def forget(self, topic: str, batch: ViewBatch) -> None:
        """The topic is to be read from its beginning."""
        batch.delete(id_key(TOPIC, topic))
        for position in self.all():
            if position[0] == topic:
                batch.delete(offset_key(*position))

    def put_topic(self, topic: str, shape: TopicShape, batch: ViewBatch) -> None:
        """The topic is this one."""
        batch.put(id_key(TOPIC, topic), encode(TopicRow(shape.topic_id)))

    def all(self) -> dict[Position, int]:
        """The next offsets."""
        return {partition_of_key(key): int.from_bytes(value, "big") for key, value in self._store.scan(OFFSET)}

    def replaced(self, shapes: Mapping[str, TopicShape], ends: Mapping[Position, int]) -> Collection[str]:
        """The topics that were read and are others now: another id, or an end before what was read."""
        shorter = {
            topic for (topic, partition), offset in self.all().items() if offset > ends.get((topic, partition), 0)
        }
        return {topic for topic, shape in shapes.items() if topic in shorter or self._is_other(topic, shape)}

    def _is_other(self, topic: str, shape: TopicShape) -> bool:
        stored = self._store.get(id_key(TOPIC, topic))
        if stored is None:
            return False
        topic_id = TOPIC_ROW(stored).topic_id
        return bool(topic_id and shape.topic_id) and topic_id != shape.topic_id
