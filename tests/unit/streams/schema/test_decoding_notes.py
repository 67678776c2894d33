from typing import Any

import pytest

from streams.schema.decoder import SchemaRules, decode
from streams.schema.decoding_notes import FUTURE, NOT_SET, DecodingNotes, FirstNotes
from tests.unit.streams.decoding import CLICK, NOW, record

IDENTIFY = {"type": "identify", "userId": "u1", "messageId": "m", "traits": {"plan": "pro"}}


def notes_of(value: Any, **parts: Any) -> DecodingNotes:
    notes = DecodingNotes()
    decode(record(value, **parts), rules=SchemaRules(check_key=False), notes=notes)
    return notes


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (IDENTIFY, "Segment 'identify'"),
        (IDENTIFY | {"type": "group"}, "Segment 'group'"),
        ({"event": "$set", "distinct_id": "u1", "properties": {}}, "PostHog '$set'"),
        ({"event": "user", "user": "u1", "fields": []}, "Metarank 'user'"),
        ({"event": "page_ping", "event_id": "1", "collector_tstamp": "2024-11-18"}, "Snowplow 'page_ping'"),
        ({"userId": "u1", "eventList": []}, "Amazon Personalize PutEvents"),
    ],
)
def test_a_record_without_an_event_is_counted_by_its_kind(value: dict[str, Any], kind: str) -> None:
    notes = notes_of(value)
    assert (dict(notes.without_event), notes.first) == ({kind: 1}, {kind: "user-events:3:991"})
    assert notes_of([value, value, CLICK]).without_event == {kind: 2}


@pytest.mark.parametrize(
    ("time", "fault"),
    [(NOW + 86_400_001, FUTURE), (NOW * 10, FUTURE), ("2286-11-20T17:46:39Z", FUTURE), ("0001-01-01", NOT_SET)],
)
def test_a_time_in_whose_place_the_records_stands_is_counted(time: object, fault: str) -> None:
    assert dict(notes_of(CLICK | {"timestamp": time}).replaced_times) == {fault: 1}


def test_what_is_read_or_refused_as_it_came_leaves_no_note() -> None:
    for value in (CLICK, CLICK | {"timestamp": NOW + 86_400_000}, CLICK | {"timestamp": "never"}, b"{", [CLICK]):
        assert notes_of(value) == DecodingNotes()


def test_each_kind_is_reported_once_and_kinds_are_bounded() -> None:
    lines: list[str] = []
    first_notes, sum_of_notes = FirstNotes(lines.append), DecodingNotes()
    for offset in (5, 6):
        for value in (IDENTIFY, CLICK | {"timestamp": "2286-11-20"}):
            notes = notes_of(value, offset=offset)
            first_notes.report_new(notes)
            sum_of_notes.add(notes)
    assert lines == [
        "records of Segment 'identify' carry no event; the first: user-events:3:5",
        "times that lie more than a day after their record's are replaced by the record's; the first: user-events:3:5",
    ]
    assert [(count, first) for _, count, first in sum_of_notes.lines()] == [(2, "user-events:3:5")] * 2
    for number in range(200):
        first_notes.report_new(notes_of({"eventList": [], "event": f"kind {number}"}))
    assert len(lines) == 100
