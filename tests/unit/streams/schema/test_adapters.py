import pytest

from streams.schema.events import (
    MAX_FUTURE_MS,
    UserDelete,
    decode,
)
from tests.unit.streams.wire import CLICK, NOW, record, rejection, user_event

CLOUD_EVENT = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"ce-77"),
    ("ce_source", b"/shop"),
    ("ce_type", b"com.example.click"),
    ("ce_time", b"2024-11-18T03:20:00.25Z"),
    ("ce_subject", b"/items/i9"),
)


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
