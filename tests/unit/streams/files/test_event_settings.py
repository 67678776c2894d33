"""`[events.map]` and `[events.types]` of the settings: one set of rules for the stream and for files."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from models.data.event_types import type_index
from streams.files.event_columns import event_columns
from streams.files.event_logs import open_events, read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.log_error import LogError
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.files.profile import profile_log
from streams.schema.decoder import SchemaRules, decode
from streams.schema.event_encoder import canonical_headers
from streams.schema.events import UserEvent
from streams.schema.record import Record
from streams.settings.sections import EventSettings
from tests.unit.streams.files.logs import write

SETTINGS = EventSettings(
    map={"user": "who.id", "item": "lines[0].sku", "time": "at", "type": "what", "session": "visit", "text": "note"},
    types={"Watch Trailer": "view", "view": "ignore", "scroll": "ignore"},
)
RULES = SchemaRules.of(SETTINGS)
TEAM_EVENT: dict[str, Any] = {
    "who": {"id": "u1"},
    "lines": [{"sku": "i1"}],
    "at": 1_731_900_000,
    "what": "watch_trailer",
}
SEGMENT: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "u2",
    "timestamp": "2024-11-18T03:20:00Z",
    "properties": {"product_id": "p1", "price": 5},
}


def stream_event(fields: dict[str, Any], rules: SchemaRules) -> UserEvent | None:
    """What a worker makes of the object."""
    record: Record = ConsumerRecord("t", 0, 0, 0, 0, None, json.dumps(fields).encode(), None, 0, 0, ())
    (event,), rejected = decode(record, rules=SchemaRules(rules.field_map, rules.type_names, check_key=False))
    assert rejected is None
    assert event is None or isinstance(event, UserEvent)
    return event


def file_event(tmp_path: Path, fields: dict[str, Any], rules: SchemaRules) -> LoggedEvent | None:
    file = open_events(write(tmp_path, "a.jsonl", json.dumps(fields) + "\n"), rules=rules)
    left_out = LeftOut()
    events = list(file.events(left_out))
    assert len(events) + left_out.total == 1
    return events[0] if events else None


@pytest.mark.parametrize(
    "fields",
    [
        TEAM_EVENT,
        TEAM_EVENT | {"visit": "s1", "note": "fine", "user_id": "nobody", "value": 4.5},
        TEAM_EVENT | {"what": "click"},
        TEAM_EVENT | {"what": "Hover"},
        TEAM_EVENT | {"what": "scroll"},
        TEAM_EVENT | {"lines": [], "what": "search"},
        TEAM_EVENT | {"lines": [], "what": "login"},
        {"user_id": "u", "item_id": "i", "event_type": "pv", "timestamp": 1_731_900_000},
        {"userId": "u", "itemId": "i", "eventType": "buy", "sentAt": 1_731_900_000, "what": None},
        SEGMENT,
        SEGMENT | {"what": "add_to_cart", "note": "map goes before the format"},
        SEGMENT | {"type": "page", "properties": {"path": "/a"}},
        {"event": "$pageview", "distinct_id": "u", "timestamp": 1_731_900_000, "properties": {"$pathname": "/b"}},
        {"event_name": "view_item", "event_timestamp": 1_731_900_000_000_000, "user_id": 7, "lines": [{"sku": 9}]},
        {"payload": SEGMENT, "schema": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("rules", [SchemaRules(), RULES], ids=["built in", "settings"])
def test_a_line_of_a_file_is_the_event_that_it_is_in_the_stream(
    tmp_path: Path, fields: dict[str, Any], rules: SchemaRules
) -> None:
    try:
        expected = stream_event(fields, rules)
    except AssertionError:
        with pytest.raises(LogError):
            file_event(tmp_path, fields, rules)
        return
    event = file_event(tmp_path, fields, rules)
    if expected is None or event is None:
        assert (event, expected) == (None, None)
        return
    assert (event.user_id, event.item_id or None, event.time_ms) == (
        expected.user_id,
        expected.item_id,
        expected.time_ms,
    )
    assert (event.event_type, event.value, event.text) == (expected.event_type, expected.value, expected.text)
    assert (event.extra_fields or {}).get("session_id") == expected.session_id


def test_what_a_file_gave_is_not_read_by_the_settings_again() -> None:
    """A trailer counts as a view, which on its own would be ignored."""
    event = LoggedEvent("u1", "i1", 1_731_900_000_000, "view", "a:1")
    record = ConsumerRecord("t", 0, 0, 0, 0, b"u1", event.encode(), None, 0, 0, tuple(canonical_headers(SETTINGS)))
    ((decoded,), rejected) = decode(record, rules=RULES)
    assert rejected is None
    assert isinstance(decoded, UserEvent)
    assert decoded.event_type == "view"


def test_columns_of_delimited_text_are_found_by_the_map_where_they_are_there(tmp_path: Path) -> None:
    rules = SchemaRules.of(EventSettings(map={"user": "Buyer", "item": "sku", "session": "visit", "event_id": "id"}))
    log = read_events(write(tmp_path, "a.csv", "user,buyer,item,time,visit,id\nu,b,i,1,s,x\nu,b,i,2,,\n"), rules=rules)
    assert log.events == [
        LoggedEvent("b", "i", 1000, "view", "x", extra_fields={"session_id": "s"}),
        LoggedEvent("b", "i", 2000, "view", "a.csv:3"),
    ]
    assert "user=buyer" in log.description
    assert "item=item" in log.description
    (event, _) = read_events(tmp_path / "a.csv", parse_columns("user=user"), rules=rules).events
    assert event.user_id == "u"
    path = write(tmp_path, "b.csv", "1,2,3\n")
    (event,) = read_events(path, parse_columns("user=1,item=2,time=3"), rules=rules).events
    assert event.user_id == "1"


def test_types_that_are_ignored_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = "u,i,1,Scroll\nu,i,2,watch trailer\nu,i,3,view\nu,,4,login\n"
    path = write(tmp_path, "a.csv", f"user,item,time,action\n{lines}")
    log = read_events(path, rules=RULES)
    assert [event.event_type for event in log.events] == ["view", "login"]
    assert log.left_out.counts == {"no event of interest": 2}
    assert profile_log(open_events(path, rules=RULES)).types == {"view": 1, "login": 1}


def test_a_line_that_may_ask_for_an_erasure_is_a_bad_one(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,item,time,action\nu,i,1,view\nu,,2,user deletion request\nv,,3,deleteUser\n")
    with pytest.raises(LogError, match=r"a.csv:3: type 'user deletion request' may ask to erase a user"):
        read_events(path)
    erasing = SchemaRules.of(EventSettings(types={"user deletion request": "user.delete"}))
    events = read_events(path, rules=erasing).events
    assert [(e.user_id, e.event_type) for e in events] == [("u", "view"), ("u", "user.delete"), ("v", "user.delete")]


def test_training_sees_the_types_that_the_stream_sees(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,item,time,behavior\nu,i,1,pv\nu,i,2,buy\nu,i,3,Watch Trailer\n")
    rules = SchemaRules.of(EventSettings(types={"watchtrailer": "like"}))
    columns = event_columns(read_events(path, rules=rules).events, {}, {})
    assert columns.type.tolist() == [type_index(name) for name in ("view", "purchase", "like")]


def test_columns_of_parquet_are_found_by_the_map(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"who": {"id": "u1"}, "item": "i1", "at": 1_731_900_000, "what": "Watch Trailer", "visit": "s", "note": None}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    (event,) = read_events(tmp_path / "a.parquet", rules=RULES).events
    assert event == LoggedEvent("u1", "i1", 1_731_900_000_000, "view", "a.parquet:1", extra_fields={"session_id": "s"})
