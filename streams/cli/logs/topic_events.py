"""Events of a topic for the profile: read to its end as it is now, without a consumer group, in any accepted schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Final

from streams.errors import TopicError
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.kafka.reader import partition_count, read_to_end, reading
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.connection import connect_registry
from streams.schema.decoder import SchemaRules, decode
from streams.schema.decoding_notes import DecodingNotes
from streams.schema.events import Event, UserDelete, UserEvent
from streams.schema.record import position
from streams.settings.settings import Settings

_BATCH_RECORDS: Final = 2_000


class TopicEvents:
    """An event source that may be read again, to the same end. To be used as a context, outside of any event loop.

    The key must be the user in `user-events` alone: elsewhere it is not looked at, as `ingest` does.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self.name = f"topic {topic}"
        self.unit = "records"
        self.description = self.name
        self._topic = topic
        self._settings = settings
        self._runner = asyncio.Runner()
        self._rules: SchemaRules
        self._ends: list[int] = []  # by partition

    def __enter__(self) -> TopicEvents:
        try:
            self._runner.run(self._connect())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.close()

    def sequences(self, left_out: LeftOut) -> Iterator[Iterator[LoggedEvent]]:
        """The events of each partition in order; what holds none is counted in `left_out`."""
        for partition in range(len(self._ends)):
            yield self._partition(partition, left_out)

    async def _connect(self) -> None:
        settings = self._settings
        try:
            count = await partition_count(settings.kafka, self._topic)
        except TopicError:
            if self._topic == settings.topics.user_events:
                raise
            servers = settings.kafka.bootstrap_servers
            raise TopicError(f"{self.name} does not exist at {servers}: name another") from None
        async with reading(settings.kafka, [self._topic], partitions=range(count)) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        self._ends = [end for _, end in sorted((tp.partition, end) for tp, end in ends.items())]
        rules = SchemaRules.of(settings.events, await connect_registry(settings.registry))
        self._rules = replace(rules, check_key=self._topic == settings.topics.user_events)
        self.description += f": {count} partitions, {sum(self._ends):,} offsets"

    def _partition(self, partition: int, left_out: LeftOut) -> Iterator[LoggedEvent]:
        records = self._records(partition)
        try:
            while batch := self._runner.run(self._batch(records)):
                for record in batch:
                    yield from self._events(record, left_out)
        finally:
            self._runner.run(records.aclose())

    async def _records(self, partition: int) -> Any:
        async with reading(self._settings.kafka, [self._topic], partitions=[partition]) as consumer:
            async for record in read_to_end(consumer, dict.fromkeys(consumer.assignment(), self._ends[partition])):
                yield record

    async def _batch(self, records: AsyncIterator[Any]) -> list[Any]:
        batch = []
        async for record in records:
            batch.append(record)
            if len(batch) == _BATCH_RECORDS:
                break
        if self._rules.transcoder is not None:
            await self._rules.transcoder.load(batch)
        return batch

    def _events(self, record: Any, left_out: LeftOut) -> Iterator[LoggedEvent]:
        if isinstance(record, UndecodableRecord):
            left_out.add(record.code, position(record), record.message)
            return
        notes = DecodingNotes()
        events, rejected = decode(record, self._settings.kafka.max_record_bytes, self._rules, notes)
        if rejected is not None:
            left_out.add(rejected.code, position(record), rejected.message)
        elif not any(isinstance(event, UserEvent | UserDelete) for event in events):
            left_out.add(
                next((f"no event: {kind}" for kind in notes.without_event), "no event of a user"), position(record)
            )
        yield from (logged for event in events if (logged := _logged(event)) is not None)


def _logged(event: Event | None) -> LoggedEvent | None:
    if isinstance(event, UserDelete):
        return LoggedEvent(event.user_id, "", event.time_ms, event.event_type, event.event_id)
    if not isinstance(event, UserEvent):
        return None
    return LoggedEvent(
        event.user_id, event.item_id or "", event.time_ms, event.event_type, event.event_id, event.value, event.text
    )
