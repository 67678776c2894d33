import json
from typing import Any

import msgspec
import pytest

from models.data.event_types import EVENT_TYPES
from streams.errors import Rejected
from streams.schema.adapters.registry import FORMATS
from streams.schema.decoder import MAX_RECORD_BYTES, SchemaRules, decode, decode_item
from streams.schema.event_encoder import canonical_headers, encode_event
from streams.schema.events import ITEM_EVENTS, ItemDelete, ItemUpsert, UserDelete, UserEvent
from streams.schema.json_text import MAX_DEPTH
from streams.settings.sections import EventSettings
from tests.unit.streams.wire import CLICK, NOW, events_of, record, rejection, user_event, user_events


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


@pytest.mark.parametrize(
    "key", [b'"u1"', b'{"schema": {"type": "string"}, "payload": "u1"}', b'{"payload": "u1", "schema": null}']
)
def test_a_key_that_kafka_connect_wrote_as_json_is_the_id_in_it(key: bytes) -> None:
    assert user_event(CLICK, key=key) == user_event(CLICK)
    assert decode_item(record({"title": "T"}, key=key)) == ItemUpsert(item_id="u1", title="T")


@pytest.mark.parametrize(
    ("user", "key"),
    [
        (17, b"\0\0\0\0\0\0\0\x11"),  # LongSerializer
        (17, b"\0\0\0\x11"),  # IntegerSerializer
        (-5, b"\xff\xff\xff\xff\xff\xff\xff\xfb"),
        (2**63 - 1, b"\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (3544952156018063160, b"12345678"),  # whose bytes are digits by chance
        (825373492, b"1234"),
    ],
)
def test_a_key_of_eight_or_four_bytes_is_the_number_that_the_user_id_spells(user: int, key: bytes) -> None:
    event = user_event(CLICK | {"user_id": str(user)}, key=key)
    assert event.user_id == str(user)
    assert user_event(CLICK | {"user_id": user}, key=key) == event
    assert rejection(CLICK | {"user_id": str(user + 1)}, key=key).code == "key_mismatch"
    assert rejection(CLICK | {"user_id": f"0{user}"}, key=key).code == "key_mismatch"
    assert events_of({"event_type": "user.delete", "user_id": user}, key=key) == [
        UserDelete(str(user), "user.delete", NOW, "user-events:3:991")
    ]


@pytest.mark.parametrize("user", ["1234", "12345678", "ünïc", "u\tb\n"])
def test_a_text_of_eight_or_four_bytes_is_no_number(user: str) -> None:
    assert user_event(CLICK | {"user_id": user}, key=user.encode()).user_id == user


@pytest.mark.parametrize("key", [b"\0\0\x11", b"\0" * 15 + b"\x11"])
def test_a_number_of_another_length_is_refused(key: bytes) -> None:
    assert rejection(CLICK | {"user_id": 17}, key=key).code == "key_mismatch"


def test_an_item_may_have_a_number_as_its_key() -> None:
    for key in ((17).to_bytes(8), (17).to_bytes(4)):
        assert decode_item(record({"title": "T"}, key=key)) == ItemUpsert(item_id="17", title="T")
        assert decode_item(record({"item_id": 17}, key=key)) == ItemUpsert(item_id="17")
        assert decode_item(record(None, key=key)) == ItemDelete("17")
    assert decode_item(record({}, key=(-2).to_bytes(8, signed=True))) == ItemUpsert(item_id="-2")


def test_a_user_whose_id_is_in_quotes_stays_so() -> None:
    assert user_event(CLICK | {"user_id": '"u1"'}, key=b'"u1"').user_id == '"u1"'


@pytest.mark.parametrize("key", [b'"u2"', b'"u1', b"{}", b'{"payload": ["u1"]}', b"\xff", b'"' + b"[" * 5000])
def test_any_other_key_is_refused(key: bytes) -> None:
    assert rejection(CLICK, key=key).code == "key_mismatch"


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


def test_an_array_is_several_events_with_positions_of_their_own() -> None:
    bare = {name: CLICK[name] for name in CLICK if name != "event_id"}
    first, second, third = user_events([CLICK, bare | {"item_id": "i2"}, bare | {"itemId": 3, "item_id": None}])
    assert (first.event_id, first.item_id) == ("e1", "i9")
    assert (second.event_id, second.item_id) == ("user-events:3:991:1", "i2")
    assert (third.event_id, third.item_id) == ("user-events:3:991:2", "3")
    assert user_events([bare]) == [user_event(bare)]


def test_one_id_for_several_events_is_told_apart_by_the_index() -> None:
    assert [event.event_id for event in user_events([CLICK, CLICK | {"event_id": "e2"}, CLICK])] == [
        "e1:0",
        "e2",
        "e1:2",
    ]


def test_the_usable_events_of_an_array_are_kept_and_the_others_named() -> None:
    events, rejected = decode(record([CLICK, CLICK | {"item_id": None}, 5, CLICK | {"user_id": "u2"}, {}, CLICK]))
    assert [event is not None for event in events] == [True, False, False, False, False, True]
    assert rejected is not None
    assert rejected.code == "missing_field"
    assert rejected.message.startswith("event 1 of 6: missing_field: a click needs an item_id")
    assert "; event 2 of 6: not_an_object: " in rejected.message
    assert "; event 3 of 6: key_mismatch: " in rejected.message
    assert rejected.message.endswith("; and 1 more")


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


@pytest.mark.parametrize(("key", "code"), [(None, "missing_key"), (b"", "key_mismatch"), (b"u", "key_mismatch")])
def test_the_key_must_be_the_user(key: bytes | None, code: str) -> None:
    assert rejection(CLICK, key=key).code == code


def test_a_user_outside_of_ascii_is_compared_in_utf8() -> None:
    assert user_event(CLICK | {"user_id": "Zoë"}, key="Zoë".encode()).user_id == "Zoë"


@pytest.mark.parametrize("event_type", ["click", "user.delete"])
def test_user_ids_that_begin_with_nul_are_ours(event_type: str) -> None:
    assert rejection(CLICK | {"event_type": event_type, "user_id": "\0u"}, key=b"\0u").code == "reserved_id"


UNKEYED = SchemaRules(check_key=False)


@pytest.mark.parametrize("key", [None, b"", b"session-9", b"\xff\xfe"])
def test_without_a_check_of_keys_any_key_will_do(key: bytes | None) -> None:
    without_id = {name: CLICK[name] for name in CLICK if name != "event_id"}
    assert events_of(CLICK, rules=UNKEYED, key=key) == [user_event(CLICK)]
    assert events_of(without_id | {"colour": 1}, rules=UNKEYED, key=key) == [user_event(without_id)]
    erasure = {"event_type": "user.delete", "user_id": "u1"}
    assert events_of(erasure, rules=UNKEYED, key=key) == events_of(erasure)
    (_, rejected) = decode(record(CLICK | {"user_id": "\0u"}, key=key), rules=UNKEYED)
    assert rejected is not None
    assert rejected.code == "reserved_id"


def test_a_key_that_is_not_checked_names_nobody() -> None:
    account = {"type": "page", "userId": "u1", "anonymousId": "device-4", "properties": {"path": "/a"}}
    (event,) = events_of(account, rules=UNKEYED, key=b"device-4")
    assert isinstance(event, UserEvent)
    assert event.user_id == "u1"
    headers = (("ce_specversion", b"1.0"), ("ce_type", b"click"), ("ce_partitionkey", b"u7"))
    (event,) = events_of({"item_id": "i9"}, rules=UNKEYED, key=b"session-9", headers=headers)
    assert isinstance(event, UserEvent)
    assert event.user_id == "u7"


def test_one_format_alone_may_be_accepted() -> None:
    feedback = {"FeedbackType": "star", "UserId": "u1", "ItemId": "i9", "Timestamp": NOW}
    both = feedback | {"event_type": "click", "user_id": "u1", "item_id": "i2", "timestamp": NOW}
    gorse, canonical = (SchemaRules(adapter=FORMATS[name]) for name in ("gorse", "canonical"))
    assert events_of(both) == events_of(both, rules=canonical)
    assert events_of(both, rules=gorse) == events_of(feedback) != events_of(both)
    (_, rejected) = decode(record(CLICK), rules=gorse)
    assert rejected is not None
    assert (rejected.code, rejected.message) == (
        "wrong_format",
        "this is no event of Gorse, the only format that is accepted here",
    )
    assert events_of(CLICK, rules=canonical) == [user_event(CLICK)]


def test_settings_are_applied_once() -> None:
    settings = EventSettings({"user": "item_id", "item": "user_id"}, {"click": "view", "view": "ignore"})
    rules = SchemaRules.of(settings)
    (event,) = events_of(CLICK, rules=rules, key=b"i9")
    assert isinstance(event, UserEvent)
    assert (event.user_id, event.item_id, event.event_type) == ("i9", "u1", "view")
    value, headers = encode_event(event), tuple(canonical_headers(settings))
    assert events_of(value, rules=rules, key=b"i9", headers=headers) == [event]
    assert not events_of(value, rules=rules, key=b"u1")  # a view, which is left out
    assert canonical_headers(EventSettings()) == []


def test_events_of_one_order_do_not_grow_with_the_square_of_its_products() -> None:
    products = [{"sku": f"p{number}"} for number in range(2000)]
    order = {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": NOW}
    small, large = (order | {"properties": {"note": "n", "products": shown}} for shown in (products[:3], products))
    first, *_ = user_events(small)
    assert isinstance(first.properties, msgspec.Raw)
    assert json.loads(bytes(first.properties)) == small["properties"]
    events = user_events(large)
    assert len(events) == 2000
    assert all(event.properties is msgspec.UNSET for event in events)


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
        ({}, b"x" * 513, "field_too_large"),
        (None, b"x" * 513, "field_too_large"),
        ({"item_id": "i8"}, b"i9", "key_mismatch"),
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
