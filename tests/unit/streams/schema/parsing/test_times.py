from datetime import datetime, timedelta, timezone

import pytest

from streams.schema.parsing.times import FIRST_MS, MS_BELOW
from streams.schema.parsing.typed_events import MAX_FUTURE_MS
from tests.unit.streams.decoding import CLICK, NOW, rejection, user_event


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
        ("2024-11-18 03:20:00.123456 UTC", 1_731_900_000_123),  # as BigQuery writes it
        ("2024-11-18T03:20:00.123456789Z", 1_731_900_000_123),
        ("1969-12-31T23:59:59.9999Z", -1),
        (1_731_900_000_123_456, 1_731_900_000_123),
        (1_731_900_000_123_456_789, 1_731_900_000_123),
        (1.731900000123456e15, 1_731_900_000_123),
        ("1731900000123", 1_731_900_000_123),
        (" 1731900000 ", 1_731_900_000_000),
        ("1731900000.123", 1_731_900_000_123),
        ("1731900000123456789", 1_731_900_000_123),
        ("1712011010123", 1_712_011_010_123),  # also a date of the year 1712
        ("0002-01-02T00:00:00Z", FIRST_MS),
    ],
)
def test_times_are_read_in_every_form(given: float | str, time_ms: int) -> None:
    assert user_event(CLICK | {"timestamp": given}).time_ms == time_ms


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("yesterday", "bad_timestamp"),
        ("2024-13-01", "bad_timestamp"),
        ("", "bad_timestamp"),
        ("nan", "bad_timestamp"),
        ("1_000", "bad_timestamp"),
        ("9" * 41, "bad_timestamp"),
        (10**20, "out_of_range"),
        (-(10**14) + 1, "out_of_range"),
        ("1e300", "out_of_range"),
        ("9999-12-31", "out_of_range"),
        (True, "wrong_type"),
        ([1], "wrong_type"),
        (None, "missing_field"),
    ],
)
def test_other_times_are_refused(given: object, code: str) -> None:
    assert rejection(CLICK | {"timestamp": given}).code == code


@pytest.mark.parametrize(
    "given",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "0001-01-01T00:00:00-14:00",
        "0001-01-01",
        -62_135_596_800_000,
        -62_135_596_800,
    ],
)
def test_the_zero_time_is_no_time_and_the_records_stands_in(given: object) -> None:
    assert user_event(CLICK | {"timestamp": given}).time_ms == NOW
    assert rejection(CLICK | {"timestamp": given}, timestamp=-1).code == "bad_timestamp"


@pytest.mark.parametrize("time", [FIRST_MS, MS_BELOW - 1])
@pytest.mark.parametrize("hours", [-14, 14])
def test_every_accepted_time_can_be_shown_in_every_zone(time: int, hours: int) -> None:
    datetime.fromtimestamp(time / 1000, timezone(timedelta(hours=hours)))


def test_a_time_far_ahead_of_the_record_is_held_at_the_records_time() -> None:
    assert user_event(CLICK | {"timestamp": NOW + MAX_FUTURE_MS}).time_ms == NOW + MAX_FUTURE_MS
    assert user_event(CLICK | {"timestamp": NOW + MAX_FUTURE_MS + 1}).time_ms == NOW
    assert user_event(CLICK | {"timestamp": "5000-01-01"}).time_ms == NOW
    assert user_event(CLICK, timestamp=-1).time_ms == CLICK["timestamp"]
