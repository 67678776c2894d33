"""Dead letters: how many by reason, and the newest ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from state.ordered_store import OrderedStore
from streams.schema.dead_letters.reader import letter_of
from streams.schema.record import Record
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import LETTER, REASON, id_key, id_of, number_key, number_of
from streams.web.view.rows import LETTER_ROW, LetterRow, Meta, encode

KEPT: Final = 1000
MOST_CHARACTERS: Final = 2000
"""Of a value that is shown"""
_MOST_REASONS: Final = 200  # anybody who can write to the topic can invent one
_OTHER_REASON: Final = "other"
_MOST_TOPIC: Final = 249
_LARGEST: Final = 1 << 62


class Letters:
    """Rows of letters. `put` is for the thread that writes, the rest is for any."""

    def __init__(self, store: OrderedStore, meta: Meta) -> None:
        self._store = store
        self._meta = meta
        self._reasons = {id_of(key) for key, _ in store.scan(REASON)}

    def put(self, record: Record, batch: ViewBatch) -> None:
        """A record of the topic; one that is no letter is passed over."""
        letter = letter_of(record)
        if letter is None:
            return
        reason = letter.reason[:100]
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            reason = _OTHER_REASON
        self._reasons.add(reason)
        key = id_key(REASON, reason)
        batch.put(key, _counted(batch.get(key)))
        value = b"" if letter.value is None else letter.value[: 4 * MOST_CHARACTERS]
        row = LetterRow(
            reason,
            letter.message[:MOST_CHARACTERS],
            letter.topic[:_MOST_TOPIC],
            _bounded(letter.partition),
            _bounded(letter.offset),
            _bounded(letter.timestamp),
            value.decode(errors="backslashreplace")[:MOST_CHARACTERS],
        )
        batch.put(number_key(LETTER, self._meta.letters), encode(row))
        if self._meta.letters >= KEPT:
            batch.delete(number_key(LETTER, self._meta.letters - KEPT))
        self._meta.letters += 1

    def by_reason(self) -> dict[str, int]:
        """Letters by reason, the most frequent first."""
        counts = {id_of(key): int.from_bytes(value, "big") for key, value in self._store.scan(REASON)}
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

    def newest(self, before: int | None) -> Iterator[tuple[int, LetterRow]]:
        """Numbers and letters, newest first, those below `before` where it is given."""
        end = b"" if before is None else number_key(LETTER, before)
        for key, value in self._store.scan(LETTER, before=end, reverse=True):
            yield number_of(key), LETTER_ROW(value)


def _counted(count: bytes | None) -> bytes:
    return (int.from_bytes(count or b"", "big") + 1).to_bytes(8, "big")


def _bounded(number: int) -> int:
    """The number, or the nearest that can be stored: headers hold whatever their writer liked."""
    return max(-_LARGEST, min(number, _LARGEST))
