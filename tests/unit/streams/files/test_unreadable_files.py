import gzip
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError
from streams.files.item_files import read_items
from tests.unit.streams.files.logs import triples, write

HEADER = "user,item,time\n"


def test_a_nul_byte_costs_its_line_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", f"{HEADER}u,i\0,0\nv,j,1\n")
    with pytest.raises(LogError, match=r"a\.csv:2: byte 4 is NUL; --skip-bad"):
        triples(path)
    assert triples(path, skip_bad=True) == [("v", "j", 1)]
    assert read_events(path, skip_bad=True).left_out.counts == {"NUL byte": 1}


def test_utf_16_without_a_byte_order_mark_is_still_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is it UTF-16"):
        triples(write(tmp_path, "a.csv", HEADER.encode("utf-16-be")))


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_standard_input_is_to_be_written_to_a_file(path: str) -> None:
    with pytest.raises(LogError, match="write it to a file first"):
        triples(Path(path))


def test_a_folder_without_a_suffix_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is a folder"):
        triples(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.log", "a"])
@pytest.mark.parametrize("form", ["{}\n", "[{}]\n", "\n [{},\n{}]"])
def test_json_is_read_whatever_the_name(tmp_path: Path, name: str, form: str) -> None:
    path = write(tmp_path, name, form.replace("{}", '{"user": "u", "item": "i", "time": 1}'))
    assert set(triples(path)) == {("u", "i", 1)}
    items = write(tmp_path, name, form.replace("{}", '{"item_id": "i", "title": "t"}'))
    assert {item.title for item in read_items(items)} == {"t"}
    with pytest.raises(LogError, match="no column looks like the user"):
        read_events(path, options=FormatOptions(delimiter=";"))


def test_a_number_of_no_column_names_the_numbers_there_are(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no column '9' for time; columns: user, item, time; by number: 1 to 3"):
        triples(write(tmp_path, "a.csv", f"{HEADER}u,i,0\n"), "time=9")


@pytest.mark.parametrize(
    ("data", "fault"), [(b"", "is empty"), (b"user,item,time\n", "is no Parquet"), (b"PAR1" + b"x" * 99, "is cut off")]
)
def test_a_broken_parquet_file_is_one_line(tmp_path: Path, data: bytes, fault: str) -> None:
    with pytest.raises(LogError, match=rf"a\.parquet: cannot be read: the file {fault}; copy or write it anew"):
        triples(write(tmp_path, "a.parquet", data))


def test_a_truncated_gzip_file_is_named_as_one(tmp_path: Path) -> None:
    data = gzip.compress(f"{HEADER}u,i,0\n".encode())[:-9]
    with pytest.raises(LogError, match="the archive is cut off"):
        triples(write(tmp_path, "a.csv.gz", data))
