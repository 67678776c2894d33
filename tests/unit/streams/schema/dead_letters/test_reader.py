"""Dead letters written and read back."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from streams.errors import Rejected
from streams.schema.dead_letters.dead_letter import dead_letter
from streams.schema.dead_letters.reader import REPLAYED_HEADER, letter_of, letters_of
from streams.schema.decoder import decode
from tests.records import consumer_record, record


def letter_record(
    source: "ConsumerRecord[bytes, bytes]", reason: Rejected, offset: int = 17
) -> "ConsumerRecord[bytes, bytes]":
    """The record of the dead-letter topic."""
    key, value, headers, _ = dead_letter(source, reason, "1.2.3")
    return stored(offset, headers, key, value)


def stored(
    offset: int, headers: Sequence[tuple[str, bytes]], key: bytes | None = None, value: bytes | None = None
) -> "ConsumerRecord[bytes, bytes]":
    return consumer_record(value, key, headers, topic="user-events-dlq", partition=2, offset=offset, timestamp=0)


def test_a_letter_is_read_back_as_the_record_that_was_refused() -> None:
    source = record(991, b"not json", b"u1", partition=3)
    letter = letter_of(letter_record(source, Rejected("not_json", "no")))
    assert letter is not None
    assert (letter.topic, letter.partition, letter.offset) == (source.topic, 3, 991)
    assert (letter.key, letter.value, letter.timestamp) == (b"u1", b"not json", source.timestamp)
    assert (letter.reason, letter.message, letter.app_version) == ("not_json", "no", "1.2.3")
    assert (letter.position, letter.replaced, letter.events, letter.headers) == ("2:17", (), (), [])


def test_the_letter_of_a_record_of_several_names_the_events_that_were_refused() -> None:
    fields = {"user_id": "u", "event_type": "click", "timestamp": 1_731_900_000_000}
    source = record(5, orjson.dumps([fields | {"item_id": "a"}, fields, fields | {"item_id": "b"}, {}]), b"u")
    _, rejected = decode(source)
    assert rejected is not None
    letter = letter_of(letter_record(source, rejected))
    assert letter is not None
    assert letter.events == (1, 3)


def test_letters_that_were_replayed_are_marked() -> None:
    source = record(5, b"x", b"u")
    first, second = (letter_record(source, Rejected("not_json", "no"), offset) for offset in (1, 2))
    marker, other = (stored(3, [(REPLAYED_HEADER, b"[1]")]), stored(4, [(REPLAYED_HEADER, b"nonsense")]))
    assert [letter.replayed for letter in letters_of([first, second, marker, other])] == [True, False]


def test_headers_that_somebody_has_spoilt_do_no_harm() -> None:
    headers: Any = [
        ("interest.error.reason", b"not_json"),
        ("interest.error.offset", b"\xff"),
        ("interest.error.partition", None),
        ("interest.error.events", b"1,x,-2"),
    ]
    letter = letter_of(stored(3, headers))
    assert letter is not None
    assert (letter.partition, letter.offset, letter.timestamp, letter.events) == (2, -1, 0, (1,))
