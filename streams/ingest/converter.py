"""Converter of source records: the canonical records that they become, by partition of their new key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from streams import __version__
from streams.errors import Rejected
from streams.kafka.reader import PartitionOfKey
from streams.kafka.transaction import ProducerRecord
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.dead_letters.dead_letter import MAX_BYTES, dead_letter
from streams.schema.decoder import SchemaRules, decode
from streams.schema.decoding_notes import DecodingNotes
from streams.schema.event_encoder import canonical_headers, encode_event
from streams.schema.events import Event, key_of
from streams.schema.record import position
from streams.settings.settings import Settings

_MOST_GROWTH: Final = 32
"""An event may say again what its record says once: so many times the largest record become of one, at most"""


@dataclass(slots=True)
class IngestCounts:
    """What became of source records."""

    records: int = 0  # read
    events: int = 0  # written, control records included
    left_out: int = 0  # records that hold no event, or one that the settings leave out
    rejected: Counter[str] = field(default_factory=Counter)  # reason → dead letters
    first_rejected: dict[str, str] = field(default_factory=dict)  # reason → position and fault of the first
    notes: DecodingNotes = field(default_factory=DecodingNotes)

    def add(self, other: IngestCounts) -> None:
        """Counts the records of another batch."""
        self.records += other.records
        self.events += other.events
        self.left_out += other.left_out
        self.rejected += other.rejected
        self.first_rejected = other.first_rejected | self.first_rejected
        self.notes.add(other.notes)


@dataclass(frozen=True, slots=True)
class Converted:
    """The records that a batch becomes, by partition, and their counts."""

    records: dict[TopicPartition, list[ProducerRecord]]
    counts: IngestCounts


class EventConverter:
    """Turns records of any topic into records of `user-events` and, those that cannot be used, of `user-events-dlq`.

    Both are in order of the given records. Pure computing, fit for a thread.
    """

    def __init__(self, settings: Settings, rules: SchemaRules, partitions: int, dead_letter_partitions: int) -> None:
        self._topics = settings.topics
        self._rules = rules
        self._max_bytes = settings.kafka.max_record_bytes
        self._max_letter_bytes = min(MAX_BYTES, settings.kafka.max_record_bytes)
        self._headers = canonical_headers(settings.events)
        self._partition_of = PartitionOfKey(partitions)
        self._dead_letter_partitions = dead_letter_partitions

    def convert(self, batches: Iterable[Sequence[ConsumerRecord[bytes, bytes]]]) -> Converted:
        """The batches, each of one source partition, as records to be written in one transaction."""
        counts = IngestCounts()
        written: list[list[ProducerRecord]] = [[] for _ in range(self._partition_of.partitions)]
        letters: dict[int, list[ProducerRecord]] = {}
        rules, max_bytes, headers, partition_of = self._rules, self._max_bytes, self._headers, self._partition_of
        for records in batches:
            counts.records += len(records)
            for record in records:
                if isinstance(record, UndecodableRecord):
                    events: Sequence[Event | None] = ()
                    rejected: Rejected | None = Rejected(record.code, record.message)
                else:
                    events, rejected = decode(record, max_bytes, rules, counts.notes)
                    if len(events) == 1 and (event := events[0]) is not None:
                        key, value = key_of(event), encode_event(event)
                        if len(value) <= max_bytes:  # the one event of most records
                            written[partition_of[key]].append(ProducerRecord(key, value, headers))
                            counts.events += 1
                            continue
                    pairs, rejected = self._encode(events, rejected)
                    for key, value in pairs:
                        written[partition_of[key]].append(ProducerRecord(key, value, headers))
                    counts.events += len(pairs)
                    counts.left_out += not pairs and rejected is None
                if rejected is not None:
                    counts.rejected[rejected.code] += 1
                    if rejected.code not in counts.first_rejected:
                        counts.first_rejected[rejected.code] = f"{position(record)}: {rejected.message}"
                    letter = dead_letter(record, rejected, __version__, self._max_letter_bytes)
                    partition = record.partition % self._dead_letter_partitions
                    letters.setdefault(partition, []).append(ProducerRecord(*letter))
        by_partition = {TopicPartition(self._topics.user_events, p): part for p, part in enumerate(written) if part}
        by_partition |= {TopicPartition(self._topics.user_events_dlq, p): part for p, part in letters.items()}
        return Converted(by_partition, counts)

    def _encode(
        self, events: Sequence[Event | None], rejected: Rejected | None
    ) -> tuple[list[tuple[bytes, bytes]], Rejected | None]:
        """Key and value of each event of a record, and why it goes to the dead letters too, if it does."""
        pairs: list[tuple[bytes, bytes]] = []
        left_bytes = _MOST_GROWTH * self._max_bytes
        for index, event in enumerate(events):
            if event is None:
                continue
            value = encode_event(event)
            left_bytes -= len(value)
            if left_bytes < 0:
                message = f"its {len(events)} events are larger than {_MOST_GROWTH} of the largest records"
                return [], Rejected("record_too_large", message)
            if len(value) > self._max_bytes:
                rejected = _with_event(rejected, index, len(events), len(value))
            else:
                pairs.append((key_of(event), value))
        return pairs, rejected


def _with_event(rejected: Rejected | None, index: int, events: int, size: int) -> Rejected:
    """The rejection of a record of which this event, as canonical JSON, is larger than the workers read."""
    if rejected is None:
        which = f"event {index} of {events}: " if events > 1 else ""
        rejected = Rejected("record_too_large", f"{which}{size} bytes in canonical form (kafka.max_record_bytes)")
    if events > 1:
        rejected.events = (*rejected.events, index)
    return rejected
