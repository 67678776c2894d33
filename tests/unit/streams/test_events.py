import json
from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord

from models.events import EVENT_TYPES
from streams.dialects import MAX_DEPTH
from streams.errors import Rejected
from streams.events import (
    ITEM_EVENTS,
    MAX_FUTURE_MS,
    MAX_RECORD_BYTES,
    ItemDelete,
    ItemUpsert,
    Record,
    UserDelete,
    UserEvent,
    decode,
    decode_item,
)

NOW = 1_731_900_000_500
CLICK = {"event_id": "e1", "event_type": "click", "user_id": "u1", "item_id": "i9", "timestamp": 1_731_900_000_123}
CLOUD_EVENT = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"ce-77"),
    ("ce_source", b"/shop"),
    ("ce_type", b"com.example.click"),
    ("ce_time", b"2024-11-18T03:20:00.25Z"),
    ("ce_subject", b"/items/i9"),
)


def record(
    value: dict[str, Any] | bytes | None,
    key: bytes | None = b"u1",
    headers: tuple[tuple[str, bytes], ...] = (),
    timestamp: int = NOW,
) -> Record:
    if isinstance(value, dict):
        value = json.dumps(value).encode()
    return ConsumerRecord("user-events", 3, 991, timestamp, 0, key, value, None, 0, 0, headers)


def user_event(value: dict[str, Any] | bytes, **parts: Any) -> UserEvent:
    event = decode(record(value, **parts))
    assert isinstance(event, UserEvent)
    return event


def rejection(value: dict[str, Any] | bytes | None, **parts: Any) -> Rejected:
    with pytest.raises(Rejected) as error:
        decode(record(value, **parts))
    return error.value


def test_a_canonical_record_gives_all_its_fields() -> None:
    event = user_event(
        CLICK
        | {
            "schema_version": 1,
            "session_id": "s3",
            "value": 4,
            "text": "fine",
            "lang": "en",
            "prediction_id": "p",
            "impression": ["i9", "i2"],
            "properties": {"colour": ["red"]},
        }
    )
    assert (event.user_id, event.event_type, event.item_id, event.event_id) == ("u1", "click", "i9", "e1")
    assert (event.time_ms, event.session_id, event.value, event.text) == (1_731_900_000_123, "s3", 4.0, "fine")
    assert (event.lang, event.prediction_id, event.impression) == ("en", "p", ("i9", "i2"))
    assert isinstance(event.properties, msgspec.Raw)
    assert json.loads(bytes(event.properties)) == {"colour": ["red"]}


def test_without_event_id_the_position_stands_in() -> None:
    assert user_event({name: CLICK[name] for name in CLICK if name != "event_id"}).event_id == "user-events:3:991"


def test_unknown_fields_are_no_error() -> None:
    assert user_event(CLICK | {"colour": {"red": [1]}, "Timestamp": "never"}) == user_event(CLICK)


def test_nulls_are_fields_not_given() -> None:
    nulls = dict.fromkeys(("event_id", "value", "text", "session_id", "impression", "properties", "schema_version"))
    assert user_event(nulls | CLICK | {"event_id": None}).event_id == "user-events:3:991"


def test_the_schemas_minor_version_may_differ() -> None:
    assert user_event(CLICK | {"schema_version": "1.7"}) == user_event(CLICK)


@pytest.mark.parametrize("event_type", ["search", "hover", "other"])
def test_searches_and_unknown_types_need_no_item(event_type: str) -> None:
    event = user_event({"event_type": event_type, "user_id": "u1", "timestamp": NOW, "text": "shoes"})
    assert (event.event_type, event.item_id) == (event_type, None)


@pytest.mark.parametrize("event_type", sorted(set(EVENT_TYPES) - {"search", "other"}))
def test_every_other_type_needs_an_item(event_type: str) -> None:
    reason = rejection({"event_type": event_type, "user_id": "u1", "timestamp": NOW})
    assert (reason.code, reason.message) == ("missing_field", f"a {event_type} needs an item_id")
    assert event_type in ITEM_EVENTS


@pytest.mark.parametrize(
    ("given", "time_ms"),
    [
        (1_731_900_000_123, 1_731_900_000_123),
        (1_731_900_000, 1_731_900_000_000),
        (1_731_900_000.123, 1_731_900_000_123),
        (1_731_900_000_123.0, 1_731_900_000_123),
        (0, 0),
        (-5, -5000),
        (99_999_999, 99_999_999_000),
        (100_000_000_000, 100_000_000_000),
        ("2024-11-18T03:20:00.123Z", 1_731_900_000_123),
        ("2024-11-18t03:20:00.123999z", 1_731_900_000_123),
        ("2024-11-18 08:50:00+05:30", 1_731_900_000_000),
        ("2024-11-18T03:20", 1_731_900_000_000),
        ("20241118T032000Z", 1_731_900_000_000),
        ("2024-11-18", 1_731_888_000_000),
        ("1969-12-31T23:59:59.9999Z", -1),
    ],
)
def test_times_are_read_in_every_form(given: float | str, time_ms: int) -> None:
    assert user_event(CLICK | {"timestamp": given}).time_ms == time_ms


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("yesterday", "bad_timestamp"),
        ("1712011010123", "bad_timestamp"),  # an epoch in quotes, which is also a date of the year 1712
        ("2024-13-01", "bad_timestamp"),
        ("", "bad_timestamp"),
        (1_731_900_000_123_000, "out_of_range"),
        (-(10**15), "out_of_range"),
        ("9999-12-31", "out_of_range"),
        (True, "wrong_type"),
        ([1], "wrong_type"),
        (None, "missing_field"),
    ],
)
def test_other_times_are_refused(given: object, code: str) -> None:
    assert rejection(CLICK | {"timestamp": given}).code == code


def test_a_time_far_ahead_of_the_record_is_held_at_the_records_time() -> None:
    assert user_event(CLICK | {"timestamp": NOW + MAX_FUTURE_MS}).time_ms == NOW + MAX_FUTURE_MS
    assert user_event(CLICK | {"timestamp": NOW + MAX_FUTURE_MS + 1}).time_ms == NOW
    assert user_event(CLICK | {"timestamp": "5000-01-01"}).time_ms == NOW
    assert user_event(CLICK, timestamp=-1).time_ms == CLICK["timestamp"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "null_value"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"click", "not_json"),
        (b"{}{}", "not_json"),
        (json.dumps(CLICK | {"value": float("nan")}).encode(), "not_json"),
        (json.dumps(CLICK | {"value": float("inf")}).encode(), "not_json"),
        (json.dumps(CLICK | {"unknown": float("nan")}).encode(), "not_json"),
        (b'{"user_id": "\\ud800"}', "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (json.dumps(CLICK | {"text": "?"}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (json.dumps(CLICK | {"properties": {"a": "?"}}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (json.dumps(CLICK | {"unknown": "?"}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"u1"', "not_an_object"),
        (b"{}", "missing_field"),
        (CLICK | {"user_id": None}, "missing_field"),
        (CLICK | {"event_type": None}, "missing_field"),
        (CLICK | {"item_id": None}, "missing_field"),
        (CLICK | {"user_id": ""}, "empty_field"),
        (CLICK | {"event_type": ""}, "empty_field"),
        (CLICK | {"item_id": ""}, "empty_field"),
        (CLICK | {"event_id": ""}, "empty_field"),
        (CLICK | {"impression": ["i9", ""]}, "empty_field"),
        (CLICK | {"user_id": 1}, "wrong_type"),
        (CLICK | {"event_type": 1}, "wrong_type"),
        (CLICK | {"item_id": ["i9"]}, "wrong_type"),
        (CLICK | {"value": "4"}, "wrong_type"),
        (CLICK | {"properties": ["a"]}, "wrong_type"),
        (CLICK | {"value": 1e13}, "out_of_range"),
        (json.dumps(CLICK | {"value": 0}).encode().replace(b'"value": 0', b'"value": 1e999'), "out_of_range"),
        (json.dumps(CLICK | {"value": 0}).encode().replace(b'"value": 0', b'"value": ' + b"9" * 999), "out_of_range"),
        (json.dumps(CLICK).encode().replace(b"1731900000123", b"9" * 9999), "out_of_range"),
        (CLICK | {"text": "x" * 32_769}, "field_too_large"),
        (CLICK | {"item_id": "x" * 257}, "field_too_large"),
        (CLICK | {"impression": ["x"] * 1001}, "field_too_large"),
        (CLICK | {"schema_version": 2}, "unknown_schema_version"),
        (CLICK | {"schema_version": "2.0"}, "unknown_schema_version"),
        (CLICK | {"schema_version": True}, "unknown_schema_version"),
        (CLICK | {"user_id": "u2"}, "key_mismatch"),
        (CLICK | {"itemId": "another"}, "conflicting_fields"),
        (b" " * (MAX_RECORD_BYTES + 1), "record_too_large"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_code(value: dict[str, Any] | bytes | None, code: str) -> None:
    assert rejection(value).code == code


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user_id": 1}, "user_id: Expected `str`, got `int`"),
        ({"impression": ["i9", 5]}, "impression[1]: Expected `str`, got `int`"),
        ({"timestamp": 1_731_900_000_123_000}, "timestamp: beyond the year 5138; send epoch milliseconds or seconds"),
        ({"itemId": "x"}, "itemId and item_id are both given and differ; send one of them"),
    ],
)
def test_the_message_tells_the_field_and_what_is_wrong(wrong: dict[str, Any], message: str) -> None:
    assert rejection(CLICK | wrong).message == message


@pytest.mark.parametrize("field", ["properties", "unknown"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_limited_whatever_the_depth_of_the_stack(field: str, opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        inner = opening * depth + "1" + closing * depth
        return json.dumps(CLICK | {field: {"a": 0}}).replace("0}}", inner + "}}").encode()

    deepest = MAX_DEPTH - (1 if field == "properties" else 2)
    assert user_event(nested(deepest)).user_id == "u1"
    assert rejection(nested(deepest + 1)).code == "nesting_too_deep"
    assert rejection(nested(5000)).code == "nesting_too_deep"
    assert rejection(opening.encode() * 5000).code == "nesting_too_deep"


def test_brackets_in_strings_and_beside_each_other_do_not_nest() -> None:
    wide = {"a": "[" * 100 + '"{\\' * 100, "b": [[] for _ in range(100)]}
    assert user_event(CLICK | {"unknown": wide}) == user_event(CLICK)


def test_the_records_size_is_checked_in_bytes_and_before_its_content() -> None:
    value = json.dumps(CLICK).encode()
    assert isinstance(decode(record(value), max_bytes=len(value)), UserEvent)
    with pytest.raises(Rejected) as error:
        decode(record(value), max_bytes=len(value) - 1)
    assert error.value.code == "record_too_large"


@pytest.mark.parametrize(("key", "code"), [(None, "missing_key"), (b"", "key_mismatch"), (b"u", "key_mismatch")])
def test_the_key_must_be_the_user(key: bytes | None, code: str) -> None:
    assert rejection(CLICK, key=key).code == code


def test_a_user_outside_of_ascii_is_compared_in_utf8() -> None:
    assert user_event(CLICK | {"user_id": "Zoë"}, key="Zoë".encode()).user_id == "Zoë"


@pytest.mark.parametrize("event_type", ["click", "user.delete"])
def test_user_ids_that_begin_with_nul_are_ours(event_type: str) -> None:
    assert rejection(CLICK | {"event_type": event_type, "user_id": "\0u"}, key=b"\0u").code == "reserved_id"


def test_camel_case_names_are_read_alone_and_mixed() -> None:
    value = {"eventId": "e1", "eventType": "rating", "userId": "u1", "itemId": "i9", "sentAt": 1_731_900_000}
    event = user_event(value | {"eventValue": 3.5, "sessionId": "s", "recommendationId": "p", "schemaVersion": 1})
    assert (event.event_id, event.event_type, event.user_id, event.item_id) == ("e1", "rating", "u1", "i9")
    assert (event.time_ms, event.value, event.session_id) == (1_731_900_000_000, 3.5, "s")
    assert event.prediction_id == "p"
    mixed = {"event_type": "rating", "user_id": "u1", "itemId": "i9", "timestamp": 1_731_900_000, "eventValue": 3.5}
    assert (user_event(mixed).item_id, user_event(mixed).value) == ("i9", 3.5)


def test_a_field_given_under_both_names_must_agree_save_for_the_time() -> None:
    assert user_event(CLICK | {"itemId": "i9", "userId": None}) == user_event(CLICK)
    assert user_event(CLICK | {"sentAt": 1}) == user_event(CLICK)


def test_a_cloud_event_fills_what_its_data_leaves_out() -> None:
    event = user_event({"item_id": "i9"}, headers=CLOUD_EVENT)
    assert (event.event_id, event.event_type, event.user_id) == ("ce-77", "click", "u1")
    assert (event.item_id, event.time_ms) == ("i9", 1_731_900_000_250)


def test_the_data_of_a_cloud_event_goes_before_its_headers() -> None:
    assert user_event(CLICK, headers=CLOUD_EVENT) == user_event(CLICK)
    without_id = {name: CLICK[name] for name in CLICK if name != "event_id"}
    assert user_event(without_id, headers=CLOUD_EVENT).event_id == "ce-77"


@pytest.mark.parametrize(
    ("given", "expected"), [("view", "view"), ("a.b.view", "view"), ("a.b.hover", "a.b.hover"), ("view.v2", "view.v2")]
)
def test_a_qualified_cloud_event_type_ends_in_ours(given: str, expected: str) -> None:
    headers = tuple((name, given.encode() if name == "ce_type" else text) for name, text in CLOUD_EVENT)
    assert user_event({"item_id": "i9"}, headers=headers).event_type == expected


def test_a_cloud_event_may_erase_a_user() -> None:
    headers = tuple((name, b"com.example.user.delete" if name == "ce_type" else text) for name, text in CLOUD_EVENT)
    assert decode(record(b"{}", headers=headers)) == UserDelete("u1", "user.delete", 1_731_900_000_250, "ce-77")


def test_a_cloud_event_header_must_be_utf8() -> None:
    assert rejection(b"{}", headers=(("ce_specversion", b"1.0"), ("ce_id", b"\xff"))).code == "not_utf8"


def test_other_headers_change_nothing() -> None:
    without_id = {name: CLICK[name] for name in CLICK if name != "event_id"}
    assert user_event(without_id, headers=(("traceparent", b"\xff"), ("ce_id", b"x"))).event_id == "user-events:3:991"


def test_user_delete_needs_nothing_but_the_user() -> None:
    value = {"event_type": "user.delete", "user_id": "u1"}
    assert decode(record(value)) == UserDelete("u1", "user.delete", NOW, "user-events:3:991")
    timed = value | {"timestamp": 1_731_900_000, "event_id": "e", "item_id": 5}
    assert decode(record(timed)) == UserDelete("u1", "user.delete", 1_731_900_000_000, "e")
    assert rejection(value, key=b"u2").code == "key_mismatch"


def test_item_records_among_the_events_may_have_any_key() -> None:
    upsert = {"event_type": "item.upsert", "itemId": "i9", "title": "T", "categories": ["a", "b"], "timestamp": "never"}
    expected = ItemUpsert(item_id="i9", title="T", categories=("a", "b"))
    assert decode(record(upsert, key=None)) == decode(record(upsert, key=b"i9")) == expected
    assert decode(record({"event_type": "item.delete", "item_id": "i9"}, key=None)) == ItemDelete("i9")
    assert rejection({"event_type": "item.delete"}).code == "missing_field"
    assert rejection(upsert | {"features": [1, "x"]}).code == "wrong_type"


@pytest.mark.parametrize(
    "event",
    [
        UserEvent("u1", "click", 1_731_900_000_123, "i9", event_id="e", value=2.0, impression=("a",)),
        UserDelete("u1", "user.delete", 1_731_900_000_123, "e"),
        ItemUpsert(item_id="i9", title="T", text="long", categories=("a",), features=(0.5,)),
        ItemDelete("i9"),
    ],
)
def test_an_encoded_event_decodes_to_itself(event: UserEvent | UserDelete | ItemUpsert | ItemDelete) -> None:
    assert decode(record(msgspec.json.encode(event))) == event


def test_a_catalog_record_describes_the_item_of_its_key() -> None:
    value = {"title": "T", "text": None, "categories": ["a"], "features": [1, 0.5], "timestamp": "any", "year": 1999}
    expected = ItemUpsert(item_id="u1", title="T", categories=("a",), features=(1.0, 0.5))
    assert decode_item(record(value)) == decode_item(record(value | {"item_id": "u1"})) == expected
    assert decode_item(record(None)) == ItemDelete("u1")


@pytest.mark.parametrize(
    ("value", "key", "code"),
    [
        ({}, None, "missing_key"),
        ({}, b"", "missing_key"),
        ({}, b"\xff", "not_utf8"),
        ({}, b"x" * 257, "field_too_large"),
        (None, b"x" * 257, "field_too_large"),
        ({"item_id": "i8"}, b"i9", "key_mismatch"),
        ({"categories": "a"}, b"i9", "wrong_type"),
        ({"schema_version": 3}, b"i9", "unknown_schema_version"),
        (b"[]", b"i9", "not_an_object"),
        (b" " * (MAX_RECORD_BYTES + 1), b"i9", "record_too_large"),
    ],
)
def test_a_bad_catalog_record_is_refused_with_a_code(
    value: dict[str, Any] | bytes | None, key: bytes, code: str
) -> None:
    with pytest.raises(Rejected) as error:
        decode_item(record(value, key=key))
    assert error.value.code == code
