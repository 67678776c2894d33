"""Replay of dead letters, after what was wrong was mended: each becomes the events that it holds by today's settings.

What is sent are canonical events with the ids that the refused record's have, and in its partition, where the user's
rows are. One transaction sends a part of the letters and marks them as replayed, so that none is ever sent twice.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka.structs import TopicPartition

from streams.kafka.reader import partition_count, partition_of
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.registry.connection import connect_registry
from streams.schema.dead_letter_reader import REPLAYED_HEADER, Letter
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import Event, ItemDelete, ItemUpsert
from streams.settings.settings import Settings

_LETTERS_PER_TRANSACTION = 500


@dataclass(slots=True)
class ReplayCounts:
    """What became of the letters."""

    letters: int = 0  # replayed
    events: int = 0  # sent
    still_refused: Counter[str] = field(default_factory=Counter)  # reason → letters
    incomplete: int = 0  # kept as a hash only, because they were too large


async def replay_letters(settings: Settings, letters: Sequence[Letter], dry_run: bool = False) -> ReplayCounts:
    """Sends the events of these letters; those that were replayed before, or are still refused, stay as they are."""
    counts = ReplayCounts()
    rules = SchemaRules.of(settings.events, await connect_registry(settings.registry))
    max_bytes = settings.kafka.max_record_bytes
    if rules.transcoder is not None:
        await rules.transcoder.load(letters)
    usable: list[tuple[Letter, list[Event]]] = []
    for letter in letters:
        if letter.replayed:
            continue
        if "value" in letter.replaced or "key" in letter.replaced:
            counts.incomplete += 1
            continue
        events, reason = letter_events(letter, rules, max_bytes)
        if reason is not None:
            counts.still_refused[reason] += 1
            continue
        usable.append((letter, events))
        counts.letters += 1
        counts.events += len(events)
    if usable and not dry_run:
        await _send(settings, usable)
    return counts


def letter_events(letter: Letter, rules: SchemaRules, max_bytes: int) -> tuple[list[Event], str | None]:
    """The events of the letter that were refused, and why one of them is still; those of it that were applied are not.

    An event that `[events.types]` leaves out is neither.
    """
    decoded, rejected = decode(letter, max_bytes, rules)
    if rejected is not None and (not letter.events or not rejected.events or {*letter.events} & {*rejected.events}):
        return [], rejected.code
    return [
        event
        for index, event in enumerate(decoded)
        if event is not None and (not letter.events or index in letter.events)
    ], None


async def _send(settings: Settings, letters: list[tuple[Letter, list[Event]]]) -> None:
    topics = settings.topics
    catalog_partitions = await partition_count(settings.kafka, topics.item_catalog)
    writer = TransactionWriter(settings.kafka)
    await writer.start()
    try:
        for begin in range(0, len(letters), _LETTERS_PER_TRANSACTION):
            records: defaultdict[TopicPartition, list[ProducerRecord]] = defaultdict(list)
            replayed: defaultdict[int, list[int]] = defaultdict(list)
            for letter, events in letters[begin : begin + _LETTERS_PER_TRANSACTION]:
                replayed[letter.letter_partition].append(letter.letter_offset)
                for event in events:
                    if isinstance(event, ItemUpsert | ItemDelete):
                        key = event.item_id.encode()
                        value = None if isinstance(event, ItemDelete) else msgspec.json.encode(event)
                        tp = TopicPartition(topics.item_catalog, partition_of(key, catalog_partitions))
                        records[tp].append(ProducerRecord(key, value))
                    else:
                        tp = TopicPartition(topics.user_events, letter.partition)
                        records[tp].append(ProducerRecord(event.user_id.encode(), msgspec.json.encode(event)))
            for partition, offsets in replayed.items():
                header = [(REPLAYED_HEADER, json.dumps(offsets).encode())]
                records[TopicPartition(topics.user_events_dlq, partition)].append(ProducerRecord(None, None, header))
            await writer.write(records)
    finally:
        await writer.stop()
