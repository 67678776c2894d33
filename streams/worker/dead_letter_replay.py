"""Replay of dead letters, after what was wrong was mended: each becomes the events that it holds by today's settings.

What is sent are canonical events with the ids that the refused record's have: in its partition, where the user's rows
are, or by the user where the record came from another topic (`ingest`). One transaction sends a part of the letters and
marks them as replayed, and one replay at a time may write, so that none is ever sent twice.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from aiokafka.errors import ProducerFenced
from aiokafka.structs import TopicPartition

from streams.errors import ReplayFencedError, TransactionFailed
from streams.kafka.client.access import check_access, replay_rights
from streams.kafka.reader import partition_count, partition_of
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.registry.connection import connect_registry
from streams.schema.dead_letters.reader import REPLAYED_HEADER, Letter
from streams.schema.decoder import SchemaRules, decode
from streams.schema.event_encoder import canonical_headers, encode_event
from streams.schema.events import Event, ItemDelete, ItemUpsert
from streams.settings.settings import Settings

_LETTERS_PER_TRANSACTION = 500
_PURPOSE = "dlq-replay"


@dataclass(slots=True)
class ReplayCounts:
    """What became of the letters."""

    letters: int = 0  # replayed
    events: int = 0  # sent
    still_refused: Counter[str] = field(default_factory=Counter)  # reason → letters
    incomplete: int = 0  # kept as a hash only, because they were too large
    replayed_before: int = 0


ReadLetters = Callable[[], Awaitable[Sequence[Letter]]]
"""Reads the letters, with those marked that were replayed by now"""


async def replay_letters(settings: Settings, read: ReadLetters, dry_run: bool = False) -> ReplayCounts:
    """Sends the events of these letters; those that were replayed before, or are still refused, stay as they are.

    Of two at the same time the one that started later sends: raises ReplayFencedError in the other.
    """
    rules = SchemaRules.of(settings.events, await connect_registry(settings.registry))
    if dry_run:
        return (await _read_usable(settings, rules, read))[1]
    await check_access(settings.kafka, replay_rights(settings))
    writer = TransactionWriter(settings.kafka, purpose=_PURPOSE)
    await writer.start()  # from here on another replay writes no more, so that what is read now is final
    try:
        usable, counts = await _read_usable(settings, rules, read)
        if usable:
            await _send(settings, writer, usable)
    except TransactionFailed as error:
        if isinstance(error.__cause__, ProducerFenced):
            raise ReplayFencedError(
                f"another `dlq replay` of the group {settings.kafka.group_id} was started after this one and sends "
                "what is left; run it again to see that nothing is"
            ) from error
        raise
    finally:
        await writer.stop()
    return counts


async def _read_usable(
    settings: Settings, rules: SchemaRules, read: ReadLetters
) -> tuple[list[tuple[Letter, list[Event]]], ReplayCounts]:
    """The letters that can be sent, each with its events, and what becomes of all."""
    letters, counts = await read(), ReplayCounts()
    if rules.transcoder is not None:
        await rules.transcoder.load(letters)
    max_bytes, unkeyed_rules = settings.kafka.max_record_bytes, replace(rules, check_key=False)
    usable: list[tuple[Letter, list[Event]]] = []
    for letter in letters:
        if letter.replayed:
            counts.replayed_before += 1
            continue
        if "value" in letter.replaced or "key" in letter.replaced:
            counts.incomplete += 1
            continue
        of_input = letter.topic == settings.topics.user_events
        events, reason = letter_events(letter, rules if of_input else unkeyed_rules, max_bytes)
        if reason is not None:
            counts.still_refused[reason] += 1
            continue
        usable.append((letter, events))
        counts.letters += 1
        counts.events += len(events)
    return usable, counts


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


async def _send(settings: Settings, writer: TransactionWriter, letters: list[tuple[Letter, list[Event]]]) -> None:
    topics, headers = settings.topics, canonical_headers(settings.events)
    catalog_partitions = await partition_count(settings.kafka, topics.item_catalog, "Write")
    partitions = await partition_count(settings.kafka, topics.user_events, "Write")
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
                    key = event.user_id.encode()
                    of_input = letter.topic == topics.user_events  # where the producer chose, the user's rows are
                    partition = letter.partition if of_input else partition_of(key, partitions)
                    tp = TopicPartition(topics.user_events, partition)
                    records[tp].append(ProducerRecord(key, encode_event(event), headers))
        for partition, offsets in replayed.items():
            header = [(REPLAYED_HEADER, json.dumps(offsets).encode())]
            records[TopicPartition(topics.user_events_dlq, partition)].append(ProducerRecord(None, None, header))
        await writer.write(records)
