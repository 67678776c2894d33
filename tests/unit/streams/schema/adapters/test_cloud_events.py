import base64

import pytest

from streams.schema.events import UserDelete
from tests.unit.streams.decoding import CLICK, NOW, events_of, rejection, user_event, user_events

CLOUD_EVENT = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"ce-77"),
    ("ce_source", b"/shop"),
    ("ce_type", b"com.example.click"),
    ("ce_time", b"2024-11-18T03:20:00.25Z"),
    ("ce_subject", b"/items/i9"),
)


def test_a_cloud_event_fills_what_its_data_leaves_out() -> None:
    event = user_event({"item_id": "i9"}, headers=CLOUD_EVENT)
    assert (event.event_id, event.event_type, event.user_id) == ("ce-77", "click", "u1")
    assert (event.item_id, event.time_ms) == ("i9", 1_731_900_000_250)


def test_the_key_of_a_cloud_event_may_be_a_number() -> None:
    assert user_event({"item_id": "i9"}, headers=CLOUD_EVENT, key=(17).to_bytes(8)).user_id == "17"
    assert user_event({"item_id": "i9"}, headers=CLOUD_EVENT, key=b"12345678").user_id == "12345678"


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
    assert events_of(b"{}", headers=headers) == [UserDelete("u1", "user.delete", 1_731_900_000_250, "ce-77")]


def test_an_attribute_that_is_not_utf8_costs_no_event() -> None:
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("ce_type", b"click"))
    event = user_event({"item_id": "i9"}, headers=headers)
    assert (event.event_id, event.time_ms) == ("\ufffd", NOW)  # the time is optional: the record's own


def test_other_headers_change_nothing() -> None:
    without_id = {name: CLICK[name] for name in CLICK if name != "event_id"}
    assert user_event(without_id, headers=(("traceparent", b"\xff"), ("ce_id", b"x"))).event_id == "user-events:3:991"


STRUCTURED = {
    "specversion": "1.0",
    "id": "ce-5",
    "source": "/app",
    "type": "com.example.like",
    "time": "2024-11-18T03:20:00.5Z",
    "data": {"itemId": "i4"},
}


def test_a_structured_cloud_event_gives_its_data_and_its_attributes() -> None:
    event = user_event(STRUCTURED, headers=(("content-type", b"application/cloudevents+json; charset=utf-8"),))
    assert (event.event_id, event.event_type, event.user_id, event.item_id) == ("ce-5", "like", "u1", "i4")
    assert event.time_ms == 1_731_900_000_500
    assert user_event(STRUCTURED | {"data": CLICK}) == user_event(CLICK)


def test_a_batch_is_several_events() -> None:
    assert [event.event_id for event in user_events([STRUCTURED, STRUCTURED | {"id": "ce-6"}])] == ["ce-5", "ce-6"]


def test_data_in_base64_is_read() -> None:
    data = base64.b64encode(b'{"item_id": "i4"}').decode()
    coded = {name: value for name, value in STRUCTURED.items() if name != "data"} | {"data_base64": data}
    assert user_event(coded) == user_event(STRUCTURED)
    assert rejection(coded | {"data_base64": "x"}).code == "not_json"


def test_the_type_may_be_a_synonym() -> None:
    assert user_event(STRUCTURED | {"type": "org.example.Product Viewed"}).event_type == "view"
