"""A topic of releases in memory: records as the trainer writes them, to be spoilt by tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aiokafka import ConsumerRecord

from streams.kafka.transaction import ProducerRecord
from streams.releases.release import ChangelogPosition
from streams.releases.release_records import ReleaseRecords

POSITION = ChangelogPosition({0: 5, 1: 7}, {0: "aa"})


class Topic:
    """Records with offsets, of which chunks have three bytes."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord[bytes, bytes]] = []
        self.releases = ReleaseRecords("group-trainer", size=3)

    def write(self, parts: Mapping[str, bytes | None], full: bool = False) -> list[int]:
        """A release; the indices of its records."""
        begin = len(self.records)
        for record in self.releases.of(parts, b'{"version": 1}', POSITION, full=full):
            self.append(record)
        return list(range(begin, len(self.records)))

    def append(self, record: ProducerRecord) -> None:
        offset = len(self.records)
        headers = tuple(record.headers)
        self.records.append(ConsumerRecord("releases", 0, offset, 0, 0, record.key, record.value, None, 0, 0, headers))

    def index(self, key: bytes) -> int:
        """Of the newest record with this key."""
        return max(index for index, record in enumerate(self.records) if record.key == key)

    def spoil(self, index: int, value: bytes) -> None:
        self.records[index] = replace(self.records[index], value=value)

    def compacted(self, cleaned: int) -> list[ConsumerRecord[bytes, bytes]]:
        """The records after a cleaner has seen so many: the newest of each key among these, and those behind."""
        newest = {record.key: record.offset for record in self.records[:cleaned]}
        return [record for record in self.records if record.offset >= cleaned or newest[record.key] == record.offset]
