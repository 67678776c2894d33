"""Two examples of each kind of log that was once read wrongly, or not at all."""

import json
import sys
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError

if sys.version_info >= (3, 14):
    pass
else:
    pass
from tests.unit.streams.files.logs import triples, write


@pytest.mark.parametrize("columns", ["user=1,item=2,type=4,time=5", "user=1,item=2,type=4,time=5,value=3"])
def test_without_a_header_columns_go_by_number(tmp_path: Path, columns: str) -> None:
    path = write(tmp_path, "clicks.csv", "7,31,2,pv,1511544070\n7,32,2,buy,1511561733\n")
    log = read_events(path, parse_columns(columns))
    assert [(event.item_id, event.event_type) for event in log.events] == [("31", "view"), ("32", "purchase")]
    assert log.description.startswith('clicks.csv: delimiter comma, no header line, quote character ", utf-8; columns ')


@pytest.mark.parametrize("first", ["7,31,2,pv,1511544070", "2024-05-01 10:00:00,u1,i1,text,9.5"])
def test_a_missing_header_is_noticed_and_its_first_line_shown(tmp_path: Path, first: str) -> None:
    with pytest.raises(LogError, match=rf"first line is '{first}'\); without a header line, columns go by number"):
        read_events(write(tmp_path, "a.csv", f"{first}\n"))


def test_the_header_option_goes_before_the_guess(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,item,time\nu,i,5\n")
    with pytest.raises(LogError, match=r"a\.csv:1: the time \(column '3'\) is 'time'"):
        triples(path, "user=1,item=2,time=3", header=False)
    numbers = write(tmp_path, "b.csv", "1,2,3\nu,i,5\n")
    assert triples(numbers, "user=1,item=2,time=3", header=True) == [("u", "i", 5)]
    ratings = write(tmp_path, "ratings.dat", "user::item::time\nu::i::5\n")
    assert triples(ratings) == [("u", "i", 5)]


@pytest.mark.parametrize("cell", ['"Heroes', 'Last" Song', '"', '"a" and "b', '""'])
def test_quotes_between_tabs_are_characters(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, "songs.tsv", f"user\titem\ttime\tname\nu\ti\t1\t{cell}\nv\tj\t2\tplain\nw\t{cell}\t3\tend\n")
    assert triples(path) == [("u", "i", 1), ("v", "j", 2), ("w", cell, 3)]


def test_quotes_between_tabs_can_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", 'user\titem\ttime\nu\t"a\tb"\t1\n')
    assert triples(path, quote='"') == [("u", "a\tb", 1)]
    single = write(tmp_path, "a.csv", "user,item,time\nu,'a,b',1\n")
    assert triples(single, quote="'") == [("u", "a,b", 1)]


def test_an_unbalanced_quote_costs_its_line_alone(tmp_path: Path) -> None:
    rows = [f"u{n},i{n},{n},note {n}\n" for n in range(1, 3000)]
    path = write(tmp_path, "notes.csv", "user,item,time,text\n" + 'u0,i0,0,"open\n' + "".join(rows))
    with pytest.raises(LogError, match=r"notes\.csv:2: a quote \(\"\) is opened and not closed within 1001 lines"):
        triples(path)
    assert len(triples(path, skip_bad=True)) == 2999
    assert len(triples(path, quote="")) == 3000


def test_two_unbalanced_quotes_cost_two_lines(tmp_path: Path) -> None:
    rows = [f"u{n},i{n},{n},{'open' if n in (3, 40) else 'note'}\n".replace("open", '"open') for n in range(100)]
    path = write(tmp_path, "notes.csv", "user,item,time,text\n" + "".join(rows))
    assert [time for _, _, time in triples(path, skip_bad=True)] == [n for n in range(100) if n not in (3, 40)]


def test_text_after_a_closing_quote_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'user,item,time\nu,"a" b,1\nv,i,2\n')
    with pytest.raises(LogError, match=r"a\.csv:2: quotes that do not match .*--quote none"):
        triples(path)
    assert triples(path, quote="") == [("u", '"a" b', 1), ("v", "i", 2)]


@pytest.mark.parametrize(("bad", "byte"), [(b"plain,caf\xe9,9", 10), (b"\xff,i,9", 1)])
def test_a_byte_that_is_not_utf_8_costs_its_line_alone(tmp_path: Path, bad: bytes, byte: int) -> None:
    path = write(tmp_path, "a.csv", "user,item,time\nzoë,café,1\n".encode() + bad + b"\nx,y,3\n")
    with pytest.raises(LogError, match=rf"a\.csv:3: byte {byte} \(0x..\) is not utf-8; --encoding cp1252"):
        triples(path)
    assert triples(path, skip_bad=True) == [("zoë", "café", 1), ("x", "y", 3)]


def test_a_file_of_windows_1252_is_announced_and_its_utf_8_lines_are_kept(tmp_path: Path) -> None:
    lines = [b"user,item,time", *("né,il,1".encode("cp1252"), "a,“b”,2".encode("cp1252"), b"c,d,3")]
    path = write(tmp_path, "a.csv", b"\n".join(lines))
    assert triples(path) == [("né", "il", 1), ("a", "“b”", 2), ("c", "d", 3)]
    assert "cp1252 (detected: 2 of the first 4 lines are not UTF-8)" in read_events(path).description
    later = write(tmp_path, "b.csv", b"\n".join(lines) + b"\n" + b"x,y,4\n" * 50_000 + "ü,y,5\n".encode())
    assert triples(later)[-1] == ("ü", "y", 5)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1251", "utf-16-be"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "a.csv", "user,item,time\nЖ,и,1\nu,i,2\n".encode(encoding))
    given = None if encoding in ("utf-16", "utf-8-sig") else encoding
    assert triples(path, encoding=given) == [("Ж", "и", 1), ("u", "i", 2)]
    array = write(tmp_path, "a.json", '[{"user":"Ж","item":"и","time":1}]'.encode(encoding))
    assert triples(array, encoding=given) == [("Ж", "и", 1)]


def test_utf_16_without_a_mark_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="NUL bytes: is it UTF-16"):
        triples(write(tmp_path, "a.csv", "user,item,time\n".encode("utf-16-le")))
    with pytest.raises(LogError, match="--encoding 'klingon': no such encoding"):
        triples(write(tmp_path, "a.csv", "user,item,time\n"), encoding="klingon")


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [
        ("a.csv", "user;item;time\nu;i;1\nv;j;2\n", "semicolon"),
        ("prices.csv", "user;item;value;time\nu;i;3.5;1\nv;j,k;4.5;2\n", "semicolon"),
        ("a.txt", "user|item|time\nu|i|1\nv|j|2\n", "pipe"),
        ("a.txt", "user\titem\ttime\nu\ti\t1\nv\tj\t2\n", "tab"),
        ("a.csv", "user::item::time\nu::i::1\nv::j::2\n", "::"),
    ],
)
def test_the_delimiter_is_detected_and_announced(tmp_path: Path, name: str, text: str, delimiter: str) -> None:
    path = write(tmp_path, name, text)
    assert [user for user, _, _ in triples(path)] == ["u", "v"]
    assert f"delimiter {delimiter}, header line" in read_events(path).description


def test_the_delimiter_can_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, "a.log", "user item time\nu i 1\n")
    assert triples(path, delimiter=" ") == [("u", "i", 1)]
    with pytest.raises(LogError, match=r"unknown format '\.log'.*--delimiter reads other text"):
        triples(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("", None, None, None), "--delimiter ''"),
        (('"', None, None, None), "--delimiter"),
        ((None, None, None, "''"), "--quote \"''\""),
        (("::", None, None, '"'), "needs a delimiter of one character"),
    ],
)
def test_impossible_options_are_refused(options: tuple[str | None, None, None, str | None], message: str) -> None:
    with pytest.raises(LogError, match=message):
        FormatOptions.parse(*options)


def test_options_are_read_as_they_are_typed() -> None:
    assert FormatOptions.parse("tab", False, "cp1252", "none") == FormatOptions("\t", False, "cp1252", "")
    assert FormatOptions.parse("\\t", None, None, "'") == FormatOptions("\t", None, None, "'")


@pytest.mark.parametrize(("value", "kind"), [({"id": 7}, "an object"), (["a", "b"], "an array"), (True, "a boolean")])
@pytest.mark.parametrize("role", ["user", "item"])
def test_only_text_and_numbers_are_ids(tmp_path: Path, value: object, kind: str, role: str) -> None:
    fields = {"user": "u", "item": "i", "time": 1} | {role: value}
    with pytest.raises(LogError, match=rf"a\.jsonl:1: the {role} is {kind}: "):
        triples(write(tmp_path, "a.jsonl", json.dumps(fields)))


def test_nested_values_go_by_their_path(tmp_path: Path) -> None:
    events = [
        {"properties": {"user": {"id": 7}, "items": [{"sku": "a"}]}, "at": {"ts": 5}},
        {"properties.user.id": "u", "properties": {"items": [{"sku": 9.0}]}, "at": {"ts": "1970-01-01T00:00:06Z"}},
    ]
    path = write(tmp_path, "a.jsonl", "".join(json.dumps(event) + "\n" for event in events))
    columns = "user=properties.user.id,item=properties.items[0].sku,time=at.ts"
    assert triples(path, columns) == [("7", "a", 5), ("u", "9", 6)]


@pytest.mark.parametrize("separator", [",", ",\n", " ,\n\n"])
def test_a_json_array_is_read_like_lines(tmp_path: Path, separator: str) -> None:
    objects = [json.dumps({"user": f"u{n}", "item": f"i{n}", "time": n, "text": 'a ] } "'}) for n in range(500)]
    path = write(tmp_path, "a.json", f" [\n{separator.join(objects)}\n]\n")
    log = read_events(path)
    assert [event.user_id for event in log.events] == [f"u{n}" for n in range(500)]
    assert len({event.event_id for event in log.events}) == 500
    assert "one JSON array" in log.description


def test_an_element_of_an_array_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '[{"user":"u","item":"i","time":1},\n{"user":"v"},\n3]')
    with pytest.raises(LogError, match=r"a\.json:2: no field looks like the time \(fields: user\)"):
        triples(path)
    assert triples(path, skip_bad=True) == [("u", "i", 1)]


@pytest.mark.parametrize("tail", ["", ",", "}", ']{"user":1}', ', {"user": "v" "w"}]', f", {'[' * 100_000}"])
def test_a_broken_array_is_an_error_that_names_its_line(tmp_path: Path, tail: str) -> None:
    path = write(tmp_path, "a.json", '[\n{"user":"u","item":"i","time":1}\n' + tail)
    with pytest.raises(LogError, match=r"a\.json:3: the JSON array is broken here"):
        triples(path, skip_bad=True)


def test_what_is_no_json_line_is_named_with_its_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"user":"u","item":"i","time":1}\n{"user":\n' + '{"a":' * 300 + "1" + "}" * 300)
    with pytest.raises(LogError, match=r"a\.jsonl:2: column \d+: not JSON .*one object per line is expected"):
        triples(path)
    log = read_events(path, skip_bad=True)
    assert log.left_out.counts == {"not JSON": 1, "nesting_too_deep": 1}


@pytest.mark.parametrize("time", ["NaN", "inf", "-Infinity", "yesterday", "0x10"])
def test_a_time_that_is_none_names_line_and_column(tmp_path: Path, time: str) -> None:
    path = write(tmp_path, "a.csv", f"user,item,when\nu,i,{time}\nv,j,2\n")
    with pytest.raises(LogError, match=rf"a\.csv:2: the time \(column 'when'\) is '{time}': an epoch time .* expected"):
        triples(path, "time=when")
    log = read_events(path, parse_columns("time=when"), skip_bad=True)
    assert (len(log.events), log.left_out.counts) == (1, {"the time is not understood": 1})


def test_events_of_other_platforms_are_read_as_the_worker_reads_them(tmp_path: Path) -> None:
    ordered = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u",
        "messageId": "m1",
        "timestamp": "2024-05-01T00:00:00Z",
        "properties": {"products": [{"product_id": "a", "price": 2.5}, {"product_id": "b"}]},
    }
    identified = {"type": "identify", "userId": "u", "messageId": "m2", "timestamp": "2024-05-01T00:00:01Z"}
    path = write(tmp_path, "a.jsonl", json.dumps(ordered) + "\n" + json.dumps(identified) + "\n")
    log = read_events(path)
    assert [(e.item_id, e.event_type, e.event_id, e.value) for e in log.events] == [
        ("a", "purchase", "a.jsonl:1:0", 2.5),
        ("b", "purchase", "a.jsonl:1:1", None),
    ]
    assert log.left_out.counts == {"no event of interest": 1}


@pytest.mark.parametrize(
    "header", ["User ID,Item-ID,Event Time", "userId,itemId,eventTime", "USER_ID,ITEM_ID,EVENT_TIME"]
)
def test_names_of_columns_are_known_however_they_are_written(tmp_path: Path, header: str) -> None:
    assert triples(write(tmp_path, "a.csv", f"{header}\nu,i,1700000000\n")) == [("u", "i", 1_700_000_000)]
    line = dict(zip(header.split(","), ("u", "i", 1_700_000_000), strict=True))
    assert triples(write(tmp_path, "a.jsonl", json.dumps(line) + "\n")) == [("u", "i", 1_700_000_000)]


def test_four_columns_without_a_header_are_ratings_only_if_the_last_is_a_time(tmp_path: Path) -> None:
    ratings = write(tmp_path, "ratings.dat", "1::1193::5::978300760\n")
    assert triples(ratings) == [("1", "1193", 978_300_760)]
    clicks = write(tmp_path, "clicks.dat", "1,2014-04-07T10:51:09.277Z,214536502,0\n")
    with pytest.raises(LogError, match=r"no column looks like the user \(4 columns, the first line is '1,2014"):
        read_events(clicks)
    (event,) = read_events(clicks, parse_columns("user=1,time=2,item=3")).events
    assert (event.item_id, event.time_ms) == ("214536502", 1_396_867_869_277)


def test_a_name_of_two_columns_is_refused_until_a_number_says_which(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user,note,note,User,item,time\na,,,b,i,1700000000\n")
    with pytest.raises(LogError, match="columns 1 and 4 have the name 'user'; say which is the user: --columns user=1"):
        read_events(path)
    assert [event.user_id for event in read_events(path, parse_columns("user=4")).events] == ["b"]


def test_ids_that_workers_refuse_are_bad_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", f"user,item,time\n{'u' * 513},i,1700000000\n{'u' * 512},i,1700000000\n")
    with pytest.raises(LogError, match=r"a\.csv:2: the user has 513 characters; at most 512 are accepted"):
        read_events(path)
    assert len(read_events(path, skip_bad=True).events) == 1


def test_a_field_that_no_name_shows_is_asked_for_with_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"user": "u", "thing": "i", "time": 1700000000}\n')
    with pytest.raises(
        LogError, match=r"no field looks like the item \(fields: user, thing, time\); name it with --col"
    ):
        read_events(path)
    values = write(tmp_path, "b.tsv", "anna\t2009-05-04T23:08:57Z\tsong\n")
    with pytest.raises(LogError, match="if the first line holds values, give --no-header, and columns by number"):
        read_events(values)
