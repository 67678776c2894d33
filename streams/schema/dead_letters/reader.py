"""Dead letters read back: the record as it came, where it came from, and why it could not be used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streams.schema.dead_letters.dead_letter import PREFIX
from streams.schema.record import Record

REPLAYED_HEADER: Final = "interest.replayed"
"""Of a record that says which letters of its partition were replayed: their offsets, as a JSON array"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. Its topic, partition, offset and time are those of the record that was refused."""

    letter_partition: int
    letter_offset: int
    reason: str
    message: str
    app_version: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    replaced: tuple[str, ...]  # parts that are not kept in full
    events: tuple[int, ...]  # of a record of several: those that could not be used; empty: all of it
    replayed: bool = False

    @property
    def position(self) -> str:
        """Partition and offset in the dead-letter topic, by which commands name it."""
        return f"{self.letter_partition}:{self.letter_offset}"


def letter_of(record: Record, replayed: bool = False) -> Letter | None:
    """The letter in a record of the dead-letter topic; None for a record that is none."""
    about = {
        name.removeprefix(PREFIX): (text or b"").decode(errors="replace")
        for name, text in record.headers
        if name.startswith(PREFIX)
    }
    if "reason" not in about:
        return None
    return Letter(
        record.partition,
        record.offset,
        about["reason"],
        about.get("message", ""),
        about.get("app_version", ""),
        about.get("topic", ""),
        _number(about.get("partition"), record.partition),
        _number(about.get("offset"), -1),
        _number(about.get("timestamp"), record.timestamp),
        record.key,
        record.value,
        [(name, text) for name, text in record.headers if not name.startswith(PREFIX)],
        tuple(filter(None, about.get("replaced", "").split(","))),
        tuple(int(index) for index in about.get("events", "").split(",") if index.isdecimal()),
        replayed,
    )


def letters_of(records: Iterable[Record]) -> list[Letter]:
    """The letters of the topic's records, those that were replayed marked as such."""
    kept = list(records)
    replayed = {(record.partition, offset) for record in kept for offset in replayed_offsets(record)}
    letters = (letter_of(record, (record.partition, record.offset) in replayed) for record in kept)
    return [letter for letter in letters if letter is not None]


def replayed_offsets(record: Record) -> list[int]:
    """The letters that a record of the topic marks as replayed."""
    for name, text in record.headers:
        if name == REPLAYED_HEADER:
            try:
                return [offset for offset in json.loads(text) if isinstance(offset, int)]
            except (ValueError, TypeError):
                return []
    return []


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        return default
