import json
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from streams.schema.decoder import decode
from streams.schema.events import UserDelete, UserEvent
from tests.records import consumer_record

ML_100K = Path(__file__).parents[5] / "shared/data/ml-100k/ml-100k.inter"


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def decoded(event: LoggedEvent) -> object:
    """The event as a worker reads it."""
    value = event.encode()
    key = event.user_id.encode()
    (decoded_event,), rejected = decode(consumer_record(value, key))
    assert rejected is None
    return decoded_event


def test_ratings_with_a_typed_header(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", "7\t9\t4\t881250949"
    )
    (event,) = read_events(path).events
    assert event == LoggedEvent("7", "9", 881_250_949_000, "rating", "a.inter:2", value=4.0)
    assert decoded(event) == UserEvent("7", "rating", 881_250_949_000, "9", event_id="a.inter:2", value=4.0)


def test_ratings_without_a_header(tmp_path: Path) -> None:
    (event,) = read_events(write(tmp_path, "ratings.dat", "1::1193::5::978300760")).events
    assert event == LoggedEvent("1", "1193", 978_300_760_000, "rating", "ratings.dat:1", value=5.0)


def test_a_csv_with_columns_of_any_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "listener,track,at,how,note", "u,i,2024-05-01T12:00:00Z,purchase,nice")
    columns = parse_columns("user=listener, item=track,time=at,type=how,text=note")
    (event,) = read_events(path, columns).events
    assert event == LoggedEvent("u", "i", 1_714_564_800_000, "purchase", "a.csv:2", text="nice")


@pytest.mark.parametrize(
    ("header", "cells", "event_type"),
    [
        ("user,item,time", "u,i,1", "view"),
        ("user,item,time,rating", "u,i,1,3", "rating"),
        ("user,item,time,rating", "u,i,1,", "view"),
        ("user,item,time,rating,text", "u,i,1,3,good", "review"),
        ("user,item,time,rating,text", "u,i,1,3,", "rating"),
        ("user,item,time,event_type", "u,i,1,like", "like"),
    ],
)
def test_the_event_type_follows_from_the_columns(tmp_path: Path, header: str, cells: str, event_type: str) -> None:
    (event,) = read_events(write(tmp_path, "a.csv", header, cells)).events
    assert event.event_type == event_type


def test_events_are_in_order_of_time_and_of_the_file_where_times_are_equal(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,item,time", "u,a,300", "u,b,100", "u,c,300", "u,d,200", "u,e,100")
    assert [event.item_id for event in read_events(path).events] == ["b", "e", "d", "a", "c"]


def test_times_near_the_epoch_keep_their_value(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,item,time", "u,a,0", "u,b,36", "u,c,36.25")
    times = []
    for event in read_events(path).events:
        read = decoded(event)
        assert isinstance(read, UserEvent)
        times.append(read.time_ms)
    assert times == [0, 36_000, 36_250]


def test_json_lines_keep_extra_fields(tmp_path: Path) -> None:
    fields = {"userId": "u", "item_id": 9, "timestamp": 1_731_900_000_123, "eventType": "click", "session_id": "s"}
    (event,) = read_events(write(tmp_path, "a.jsonl", json.dumps(fields), "")).events
    assert decoded(event) == UserEvent("u", "click", 1_731_900_000_123, "9", event_id="a.jsonl:1", session_id="s")


def test_json_lines_keep_their_event_id(tmp_path: Path) -> None:
    fields = {"user_id": "u", "item_id": "i", "timestamp": 1, "event_id": "mine"}
    (event,) = read_events(write(tmp_path, "a.jsonl", json.dumps(fields))).events
    assert event.event_id == "mine"


def test_search_and_delete_events_need_no_item(tmp_path: Path) -> None:
    lines = [
        json.dumps({"user_id": "u", "timestamp": 1_731_900_000_000 + n, "event_type": kind})
        for n, kind in enumerate(("search", "user.delete"))
    ]
    search, erase = (decoded(event) for event in read_events(write(tmp_path, "a.jsonl", *lines)).events)
    assert isinstance(search, UserEvent)
    assert isinstance(erase, UserDelete)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u,i", "2 columns where 4 are expected"),
        (",i,1,1", "the user is empty"),
        ("u,,1,1", "the item is empty"),
        ("u,i,,1", "the time is empty"),
        ("u,i,soon,1", "the time is 'soon': an epoch time"),
        ("u,i,1e300,1", "too large even for nanoseconds"),
        ("u,i,nan,1", "the time is 'nan': an epoch time"),
        ("u,i,inf,1", "the time is 'inf': an epoch time"),
        ("u,i,1,much", r"the value \(column 'rating'\) is not a number: 'much'"),
        ("u,i,1,inf", "is not finite: 'inf'"),
    ],
)
def test_a_bad_line_is_named_or_left_out_and_counted(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, "a.csv", "user,item,time,rating", "u,i,1,1", line)
    with pytest.raises(LogError, match=rf"a\.csv:3: .*{message}.*--skip-bad"):
        read_events(path)
    log = read_events(path, skip_bad=True)
    assert (len(log.events), log.bad_lines) == (1, 1)


@pytest.mark.parametrize("line", ["[1]", "{", '{"user_id": null, "item_id": "i", "timestamp": 1}'])
def test_a_bad_json_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(LogError, match=r"a\.jsonl:1: "):
        read_events(write(tmp_path, "a.jsonl", line))


def test_a_file_without_a_good_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no event in it \(1 bad lines\)"):
        read_events(write(tmp_path, "a.csv", "user,item,time", "u"), skip_bad=True)


@pytest.mark.parametrize("text", ["who=a", "user", "user=", "=a"])
def test_a_column_map_names_the_roles(text: str) -> None:
    with pytest.raises(LogError, match="expected ROLE=COLUMN with a role of user, item, time, value, text, type"):
        parse_columns(text)


@pytest.mark.real_log
@pytest.mark.skipif(not ML_100K.is_file(), reason=f"{ML_100K} is not there")
def test_movielens_100k() -> None:
    log = read_events(ML_100K)
    assert (len(log.events), log.bad_lines) == (100_000, 0)
    assert len({event.user_id for event in log.events}) == 943
    assert len({event.event_id for event in log.events}) == 100_000
    assert log.events[0].time_ms == min(event.time_ms for event in log.events) == 874_724_710_000
