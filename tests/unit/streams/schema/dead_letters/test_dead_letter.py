import hashlib
import json

import pytest

from streams.errors import Rejected
from streams.schema.dead_letters.dead_letter import MAX_BYTES, dead_letter
from tests.records import consumer_record

REASON = Rejected("wrong_type", "value: Expected `float`, got `str`")
ABOUT = {
    "interest.error.reason": b"wrong_type",
    "interest.error.message": b"value: Expected `float`, got `str`",
    "interest.error.topic": b"user-events",
    "interest.error.partition": b"3",
    "interest.error.offset": b"991",
    "interest.error.timestamp": b"1731900000500",
    "interest.error.app_version": b"1.2.3",
}


def digest(part: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(part).hexdigest(), "bytes": len(part)}


@pytest.mark.parametrize("key", [None, b"", b"u1", b"\xff"])
@pytest.mark.parametrize("value", [None, b"", b"\xff\x00{"])
def test_everything_is_kept_as_it_came_and_the_reason_added(key: bytes | None, value: bytes | None) -> None:
    headers = (("trace", b"\xff"), ("trace", b"2"))
    letter = dead_letter(consumer_record(value, key, headers), REASON, "1.2.3")
    assert (letter.key, letter.value, letter.timestamp_ms) == (key, value, 1_731_900_000_500)
    assert letter.headers == [*headers, *ABOUT.items()]


def test_the_reason_of_an_earlier_refusal_is_replaced() -> None:
    first = dead_letter(consumer_record(b"[]"), Rejected("not_an_object", "first"), "1.0.0")
    again = dead_letter(consumer_record(b"[]", headers=first.headers), REASON, "1.2.3")
    assert again.headers == list(ABOUT.items())


def test_a_record_without_time_stays_without() -> None:
    assert dead_letter(consumer_record(b"", timestamp=-1), REASON, "1.2.3").timestamp_ms is None


def test_a_long_message_is_cut() -> None:
    letter = dead_letter(consumer_record(b""), Rejected("not_json", "é" * 5000), "1.2.3")
    assert dict(letter.headers)["interest.error.message"].decode() == "é" * 1000


def test_what_just_fits_is_kept() -> None:
    value = b"x" * (MAX_BYTES - 2)
    assert dead_letter(consumer_record(value), REASON, "1.2.3").value == value
    assert dead_letter(consumer_record(value + b"x"), REASON, "1.2.3").value != value + b"x"


def test_a_value_too_large_is_replaced_by_hash_and_length() -> None:
    value = b"x" * 10_000_000
    letter = dead_letter(consumer_record(value, headers=(("trace", b"1"),)), REASON, "1.2.3")
    assert json.loads(letter.value or b"") == digest(value)
    assert letter.key == b"u1"
    assert letter.headers == [("trace", b"1"), *ABOUT.items(), ("interest.error.replaced", b"value")]


def test_the_largest_parts_give_way_first() -> None:
    headers = (("a", b"h" * MAX_BYTES), ("b", b""))
    letter = dead_letter(consumer_record(b"value", b"k" * 2 * MAX_BYTES, headers), REASON, "1.2.3")
    assert json.loads(letter.key or b"") == digest(b"k" * 2 * MAX_BYTES)
    assert letter.value == b"value"
    about = dict(letter.headers)
    assert about["interest.error.replaced"] == b"key,headers"
    assert json.loads(about["interest.error.headers"])["bytes"] > MAX_BYTES
    assert {"a", "b"}.isdisjoint(about)


@pytest.mark.parametrize("sizes", [(1, 2_000_000, 1), (700_000, 700_000, 700_000), (2_000_000, 0, 2_000_000)])
def test_a_dead_letter_fits_into_what_kafka_takes_by_default(sizes: tuple[int, int, int]) -> None:
    key, value, header = (b"x" * size for size in sizes)
    many = tuple(("h", header[:100]) for _ in range(len(header) // 100 + 1))
    letter = dead_letter(consumer_record(value, key, many), Rejected("not_json", "é" * 5000), "1.2.3")
    content = len(letter.key or b"") + len(letter.value or b"")
    framed = sum(len(name) + len(text) + 10 for name, text in letter.headers)
    assert content + framed + 100 < 1_048_588
