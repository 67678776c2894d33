import json
from typing import Any

import msgspec
import pytest

from models.data.event_types import EVENT_TYPES
from streams.errors import Rejected
from streams.schema.adapters import MAX_DEPTH
from streams.schema.events import (
    ITEM_EVENTS,
    MAX_RECORD_BYTES,
    ItemDelete,
    ItemUpsert,
    UserDelete,
    UserEvent,
    decode,
    decode_item,
)
from tests.unit.streams.wire import CLICK, NOW, record, rejection, user_event


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
