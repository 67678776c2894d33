"""Keys of records: that of an event is its user."""

import pytest

from streams.schema.decoder import SchemaRules, decode, decode_item
from streams.schema.events import ItemDelete, ItemUpsert, UserDelete, UserEvent
from tests.unit.streams.decoding import CLICK, NOW, events_of, record, rejection, user_event


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


@pytest.mark.parametrize(("key", "code"), [(None, "missing_key"), (b"", "key_mismatch"), (b"u", "key_mismatch")])
def test_the_key_must_be_the_user(key: bytes | None, code: str) -> None:
    assert rejection(CLICK, key=key).code == code


def test_a_user_outside_of_ascii_is_compared_in_utf8() -> None:
    assert user_event(CLICK | {"user_id": "Zoë"}, key="Zoë".encode()).user_id == "Zoë"


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
