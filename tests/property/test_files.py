"""Whatever a table's delimiter, header and cells, it is read back as it was written."""

import csv
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.files.event_logs import read_events
from streams.files.event_roles import COLUMN_ALIASES, parse_columns
from streams.files.formats.column_key import column_key
from streams.files.formats.delimited import MISSING_CELLS
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError

DELIMITERS = [",", ";", "\t", "|"]
_COLUMN_NAMES = {column_key(name) for names in COLUMN_ALIASES.values() for name in names}
ID = st.text(st.characters(categories=("L", "N"), max_codepoint=0x2FF), min_size=1, max_size=8).filter(
    # A first line with a column's name is a header.
    lambda cell: cell not in MISSING_CELLS and column_key(cell) not in _COLUMN_NAMES
)
TIME = st.integers(10**9, 2 * 10**9)
ROWS = st.lists(st.tuples(ID, ID, TIME), min_size=1, max_size=30)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff"), max_size=30).filter(
    lambda cell: cell not in MISSING_CELLS
)


def write(data: str | bytes, suffix: str) -> Path:
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return Path(file.name)


def events_of(path: Path, columns: str = "", options: FormatOptions | None = None) -> list[tuple[str, str, int]]:
    try:
        log = read_events(path, parse_columns(columns), options=options)
        by_line = sorted(log.events, key=lambda event: int(event.event_id.rpartition(":")[2]))
        return [(event.user_id, event.item_id, event.time_ms // 1000) for event in by_line]
    finally:
        path.unlink()


@given(ROWS, st.sampled_from(DELIMITERS), st.booleans(), st.sampled_from([".csv", ".txt", ".tsv"]))
@settings(deadline=None)
def test_delimiter_and_header_are_detected(
    rows: list[tuple[str, str, int]], delimiter: str, header: bool, suffix: str
) -> None:
    lines = [delimiter.join(map(str, row)) for row in rows]
    if header:
        lines.insert(0, delimiter.join(("user_id", "item_id", "timestamp")))
    path = write("\n".join(lines) + "\n", suffix)
    assert events_of(path, "" if header else "user=1,item=2,time=3") == rows


@given(st.lists(st.tuples(TEXT, TEXT, TIME), min_size=1, max_size=20), st.sampled_from(DELIMITERS), st.data())
@settings(deadline=None)
def test_any_cell_that_a_csv_writer_quotes_is_read_back(
    rows: list[tuple[str, str, int]], delimiter: str, data: st.DataObject
) -> None:
    rows = [(user or "u", item or "i", time) for user, item, time in rows]
    quote = data.draw(st.sampled_from(['"', "'"]))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quotechar=quote, lineterminator="\n")
    writer.writerow(("user", "item", "time"))
    writer.writerows(rows)
    read = events_of(write(out.getvalue(), ".csv"), options=FormatOptions(delimiter, quote=quote))
    assert read == rows


@given(st.lists(st.tuples(TEXT, TEXT, TIME), min_size=1, max_size=20), st.booleans(), st.booleans())
@settings(deadline=None)
def test_json_lines_and_arrays_are_read_back(rows: list[tuple[str, str, int]], array: bool, ascii_only: bool) -> None:
    rows = [(user or "u", item or "i", time) for user, item, time in rows]
    objects = [
        json.dumps({"user": user, "item": item, "time": time}, ensure_ascii=ascii_only) for user, item, time in rows
    ]
    text = "[" + ",\n".join(objects) + "]" if array else "\n".join(objects)
    assert events_of(write(text, ".json")) == rows


@given(st.binary(max_size=400), st.sampled_from([".csv", ".tsv", ".dat", ".inter", ".json", ".jsonl", ".csv.gz"]))
@settings(deadline=None, max_examples=300)
def test_no_library_s_exception_leaves_the_reader(data: bytes, suffix: str) -> None:
    for head in (b"", b"user:token,item:token,time:float\n", b'{"user":1,"item":2,"time":3}\n[', b"\x1f\x8b\x08"):
        path = write(head + data, suffix)
        try:
            read_events(path, skip_bad=True)
        except LogError:
            pass
        finally:
            path.unlink()
