import json
from typing import Any

import msgspec
import pytest

from models.data.event_types import EVENT_TYPES
from streams.schema.decoder import MAX_RECORD_BYTES, decode
from streams.schema.events import ITEM_EVENTS, ItemDelete, ItemUpsert, UserDelete, UserEvent
from streams.schema.parsing.json_text import MAX_DEPTH
from tests.unit.streams.decoding import CLICK, NOW, events_of, record, rejection, user_event, user_events


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
            "decisionId": "d",
            "impression": ["i9", "i2"],
            "properties": {"colour": ["red"]},
        }
    )
    assert (event.user_id, event.event_type, event.item_id, event.event_id) == ("u1", "click", "i9", "e1")
    assert (event.time_ms, event.session_id, event.value, event.text) == (1_731_900_000_123, "s3", 4.0, "fine")
    assert (event.lang, event.prediction_id, event.decision_id) == ("en", "p", "d")
    assert event.impression == ("i9", "i2")
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
    assert reason.code == "missing_field"
    assert reason.message.startswith(f"a {event_type} needs an item_id; if it has another name")
    assert event_type in ITEM_EVENTS


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "null_value"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"click", "not_json"),
        (b"{}{}", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (json.dumps(CLICK | {"text": "?"}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (json.dumps(CLICK | {"properties": {"a": "?"}}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (json.dumps(CLICK | {"unknown": "?"}).encode().replace(b"?", b"\xff"), "not_utf8"),
        (b"[]", "not_an_object"),
        (b"[[]]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"u1"', "not_an_object"),
        (b"{}", "missing_field"),
        (CLICK | {"user_id": None}, "missing_field"),
        (CLICK | {"event_type": None}, "missing_field"),
        (CLICK | {"item_id": None}, "missing_field"),
        (CLICK | {"user_id": ""}, "empty_field"),
        (CLICK | {"event_type": ""}, "empty_field"),
        (CLICK | {"item_id": ""}, "empty_field"),
        (CLICK | {"user_id": 1.5}, "wrong_type"),
        (CLICK | {"user_id": True}, "wrong_type"),
        (CLICK | {"event_type": ["click"]}, "wrong_type"),
        (CLICK | {"item_id": ["i9"]}, "wrong_type"),
        (CLICK | {"item_id": {"id": "i9"}}, "wrong_type"),
        (CLICK | {"item_id": 10**40}, "wrong_type"),
        (json.dumps(CLICK).encode().replace(b"1731900000123", b"9" * 9999), "out_of_range"),
        (CLICK | {"item_id": "x" * 513}, "field_too_large"),
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
        ({"user_id": 1.5}, "user_id: must be a string or a whole number, not 1.5"),
        ({"item_id": {"id": 7}}, "item_id: must be a string or a whole number, not an object or array"),
        ({"timestamp": "5139-01-01"}, "timestamp: lies outside of the years 2 to 5138"),
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


@pytest.mark.parametrize(
    "broken",
    [
        {"value": 1e13},
        {"value": "many"},
        {"value": True},
        {"value": float("nan")},
        {"value": float("-inf")},
        {"value": {"amount": 4}},
        {"event_id": "", "session_id": ["s"], "prediction_id": 1.5},
        {"text": 5, "lang": "x" * 65},
        {"impression": "i9", "properties": ["a"]},
        {"unknown": float("nan")},
    ],
)
def test_an_optional_field_that_cannot_be_used_is_dropped(broken: dict[str, Any]) -> None:
    without_id = {name: CLICK[name] for name in CLICK if name != "event_id"}
    assert user_event(without_id | broken) == user_event(without_id)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 999, b"9" * 9999, b"NaN", b"-Infinity"])
def test_a_number_that_python_cannot_hold_costs_no_event(number: bytes) -> None:
    value = json.dumps(CLICK | {"value": "?"}).encode().replace(b'"?"', number)
    assert user_event(value) == user_event(CLICK)
    assert user_event(value.replace(b'"value"', b'"unknown"')) == user_event(CLICK)


def test_optional_fields_are_converted_where_they_can_be() -> None:
    event = user_event(
        CLICK | {"value": " 4.5", "event_id": 7, "session_id": 8, "impression": ["i9", "", 5, None, [1]]}
    )
    assert (event.value, event.event_id, event.session_id, event.impression) == (4.5, "7", "8", ("i9", "5"))
    assert user_event(CLICK | {"text": "x" * 40_000}).text == "x" * 32_768
    assert len(user_event(CLICK | {"impression": ["x"] * 1001}).impression) == 1000


@pytest.mark.parametrize(("user", "item"), [(17, 4711), (-3, 0), (2**64, 10**39)])
def test_whole_numbers_are_ids(user: int, item: int) -> None:
    event = user_event(CLICK | {"user_id": user, "item_id": item}, key=str(user).encode())
    assert (event.user_id, event.item_id) == (str(user), str(item))


def test_a_url_of_500_characters_is_an_id() -> None:
    url = "https://shop.example/" + "a" * 479
    assert user_event(CLICK | {"item_id": url}).item_id == url


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\udc00\ud800", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\\\ud83d", "\\\ufffd"),
    ],
)
def test_a_surrogate_without_its_pair_becomes_the_replacement_character(sent: bytes, read: str) -> None:
    value = json.dumps(CLICK | {"text": "?"}).encode().replace(b"?", sent)
    assert user_event(value).text == read
    nested = user_event(json.dumps(CLICK | {"properties": {"q": "?"}}).encode().replace(b"?", sent)).properties
    assert isinstance(nested, msgspec.Raw)
    assert json.loads(bytes(nested)) == {"q": read}
    assert user_event(json.dumps(CLICK | {"unknown": "?"}).encode().replace(b"?", sent)) == user_event(CLICK)


def test_a_kafka_connect_envelope_is_opened() -> None:
    assert user_event({"schema": {"type": "struct"}, "payload": CLICK}) == user_event(CLICK)
    assert user_event({"payload": CLICK, "schema": None}) == user_event(CLICK)
    assert len(user_events({"payload": [CLICK, {"schema": None, "payload": CLICK}], "schema": None})) == 2
    assert rejection({"schema": {}, "payload": None}).code == "not_an_object"


@pytest.mark.parametrize("item", ["\x1b[31mred\x1b]0;title\x07", "[bold]x[/]", "a\nb", "\u202e", "' OR 1=1"])
def test_an_id_may_hold_any_character(item: str) -> None:
    assert user_event(CLICK | {"item_id": item}).item_id == item


def test_a_header_that_is_not_utf8_changes_nothing() -> None:
    assert user_event(CLICK, headers=(("x", b"\xff"),)) == user_event(CLICK)


def test_a_value_that_only_looks_like_confluents_wire_format_is_named_so() -> None:
    assert "Confluent" in rejection(b"\0\0\0\0\x07\x04u1").message


def test_the_records_size_is_checked_in_bytes_and_before_its_content() -> None:
    value = json.dumps(CLICK).encode()
    (event,), rejected = decode(record(value), max_bytes=len(value))
    assert isinstance(event, UserEvent)
    assert rejected is None
    events, rejected = decode(record(value), max_bytes=len(value) - 1)
    assert not events
    assert rejected is not None
    assert rejected.code == "record_too_large"


@pytest.mark.parametrize("event_type", ["click", "user.delete"])
def test_user_ids_that_begin_with_nul_are_ours(event_type: str) -> None:
    assert rejection(CLICK | {"event_type": event_type, "user_id": "\0u"}, key=b"\0u").code == "reserved_id"


def test_user_delete_needs_nothing_but_the_user() -> None:
    value = {"event_type": "user.delete", "user_id": "u1"}
    assert events_of(value) == [UserDelete("u1", "user.delete", NOW, "user-events:3:991")]
    timed = value | {"timestamp": 1_731_900_000, "event_id": "e", "item_id": 5}
    assert events_of(timed) == [UserDelete("u1", "user.delete", 1_731_900_000_000, "e")]
    assert events_of(value | {"timestamp": "never"}) == events_of(value)
    assert rejection(value, key=b"u2").code == "key_mismatch"


def test_item_records_among_the_events_may_have_any_key() -> None:
    upsert = {"event_type": "item.upsert", "itemId": "i9", "title": "T", "categories": ["a", "b"], "timestamp": "never"}
    expected = ItemUpsert(item_id="i9", title="T", categories=("a", "b"))
    assert events_of(upsert, key=None) == events_of(upsert, key=b"i9") == [expected]
    assert events_of({"event_type": "item.delete", "item_id": "i9"}, key=None) == [ItemDelete("i9")]
    assert rejection({"event_type": "item.delete"}).code == "missing_field"
    assert events_of(upsert | {"features": [1, "x"], "categories": "a"}) == [
        ItemUpsert(item_id="i9", title="T", categories=("a",))
    ]


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
    assert events_of(msgspec.json.encode(event)) == [event]
