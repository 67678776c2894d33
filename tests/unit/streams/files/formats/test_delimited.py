import gzip
from pathlib import Path

import pytest

from streams.files.formats.compression import data_suffix
from streams.files.formats.delimited import read_delimited
from streams.files.formats.log_error import LogError

ALIASES = {"user": ("user_id", "user"), "item": ("item_id", "item")}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.csv", ".csv"), ("a.csv.gz", ".csv"), ("a.jsonl.zst", ".jsonl"), ("A.DAT", ".dat"), ("a.gz", "")],
)
def test_the_suffix_before_gz_determines_the_format(name: str, suffix: str) -> None:
    assert data_suffix(Path(name)) == suffix


def test_a_typed_header_gives_names_and_types(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a.inter", "user_id:token\titem_id:token_seq\nu\ti j\n"), ())
    assert (table.names, table.types) == (["user_id", "item_id"], ["token", "token_seq"])
    assert list(table.rows()) == [(2, ["u", "i j"])]


def test_quoted_cells_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a.csv", 'user,text\nu,"a, ""b""\nc"\nv,d\n'), ())
    assert list(table.rows()) == [(2, ["u", 'a, "b"\nc']), (4, ["v", "d"])]


def test_quotes_are_plain_characters_where_the_format_has_none(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a.dat", '1::"Great" Film::Drama\n'), ("id", "title", "genres"))
    assert list(table.rows()) == [(1, ["1", '"Great" Film', "Drama"])]


def test_a_gzipped_file_reads_like_the_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"user\nu\n"))
    assert list(read_delimited(path, ()).rows()) == [(2, ["u"])]


def test_latin_1_is_read_where_the_file_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "movies.dat"
    path.write_bytes("1::Misérables, Les::Drama\n2::Léon::Crime\n3::Heat::Crime\n".encode("latin-1"))
    table = read_delimited(path, ("id", "title", "genres"))
    assert list(table.rows()) == [
        (1, ["1", "Misérables, Les", "Drama"]),
        (2, ["2", "Léon", "Crime"]),
        (3, ["3", "Heat", "Crime"]),
    ]
    assert "cp1252 (detected: 2 of the first 3 lines are not UTF-8)" in table.describe()


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfuser,item\nu,i\n")
    assert read_delimited(path, ()).column_indexes(ALIASES, {}, ("user", "item")) == {"user": 0, "item": 1}


def test_a_chosen_column_goes_before_an_alias(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a.csv", "User,listener,item\n"), ())
    assert table.column_indexes(ALIASES, {}, ("user", "item")) == {"user": 0, "item": 2}
    assert table.column_indexes(ALIASES, {"user": "listener"}, ("user", "item")) == {"user": 1, "item": 2}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv:1: the file is empty"),
        ("a.inter", "user\titem\n", "a.inter:1: a typed header"),
        ("a.xml", "<a/>", "unknown format '.xml'; known are .inter"),
    ],
)
def test_an_unreadable_file_says_what_is_wrong(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        read_delimited(write(tmp_path, name, text), ())


def test_a_missing_file_and_a_truncated_archive_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"none\.csv: cannot be read: No such file"):
        read_delimited(tmp_path / "none.csv", ())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"user,item\n" * 100)[:-12])
    with pytest.raises(LogError, match=r"cut\.csv\.gz: cannot be read"):
        read_delimited(cut, ())


def test_a_column_that_is_not_there_or_not_guessed_is_named_with_those_that_are(tmp_path: Path) -> None:
    table = read_delimited(write(tmp_path, "a.csv", "who,item\n"), ())
    with pytest.raises(LogError, match=r"no column looks like the user .*who, item.*--columns user=COLUMN"):
        table.column_indexes(ALIASES, {}, ("user", "item"))
    with pytest.raises(LogError, match="no column 'nobody' for user; columns: who, item"):
        table.column_indexes(ALIASES, {"user": "nobody"}, ("user", "item"))


@pytest.mark.parametrize("delimiter", [";", "\t", "^"])
@pytest.mark.parametrize("header", ["user,item\n", ""])
def test_a_first_line_may_give_the_delimiter(tmp_path: Path, delimiter: str, header: str) -> None:
    text = f"{header}u,1\n".replace(",", delimiter)
    table = read_delimited(write(tmp_path, "a.csv", f"sep={delimiter}\n{text}"), (), None, {"user", "item"})
    assert table.dialect.delimiter == delimiter
    assert table.names == (["user", "item"] if header else ["1", "2"])
    assert list(table.rows()) == [(3 if header else 2, ["u", "1"])]
