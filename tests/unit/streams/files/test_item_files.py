from pathlib import Path

import pytest

from streams.files.formats.log_error import LogError
from streams.files.item_files import FileItem, read_items, split_categories
from streams.schema.decoder import decode_item
from streams.schema.events import ItemUpsert
from tests.records import consumer_record


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
            "1\tToy Story\t1995\tAnimation Children's Comedy\n",
        ),
        ("movies.dat", "1::Toy Story (1995)::Animation|Children's|Comedy\n"),
        ("movies.csv", "movie_id,title,genres\n1,Toy Story (1995),Animation|Children's|Comedy\n"),
        ("a.csv", 'id,name,categories\n1,Toy Story (1995),"Animation, Children\'s, Comedy"\n'),
        (
            "a.jsonl",
            '{"item_id": 1, "title": "Toy Story (1995)", "categories": ["Animation", "Children\'s", "Comedy"]}\n\n',
        ),
    ],
)
def test_every_format_describes_the_same_item(tmp_path: Path, name: str, text: str) -> None:
    assert read_items(write(tmp_path, name, text)) == [
        FileItem("1", "Toy Story (1995)", ("Animation", "Children's", "Comedy"))
    ]


def test_items_in_json_have_features_and_numbers(tmp_path: Path) -> None:
    text = '{"item_id": "i1", "title": "A", "features": [0.5, -1], "numbers": {"price": 9.9, "stock": 3}}\n'
    (item,) = read_items(write(tmp_path, "a.jsonl", text))
    read = decode_item(consumer_record(item.encode(), b"i1", topic="item-catalog"))
    assert read == ItemUpsert("A", features=(0.5, -1), numbers={"price": 9.9, "stock": 3}, item_id="i1")


def test_a_catalog_record_is_what_the_worker_reads() -> None:
    item = FileItem("i1", "Orbit", ("Sci-Fi", "Drama"))
    value = item.encode()
    read = decode_item(consumer_record(value, b"i1", topic="item-catalog"))
    assert read == ItemUpsert("Orbit", "", ("Sci-Fi", "Drama"), item_id="i1")


@pytest.mark.parametrize(
    ("text", "names"),
    [("a|b,c", ("a", "b,c")), ("a;b", ("a", "b")), ("a, b", ("a", "b")), ("a|a", ("a",)), ("", ()), (" | ", ())],
)
def test_categories_are_split_by_the_strongest_separator(text: str, names: tuple[str, ...]) -> None:
    assert split_categories(text) == names


def test_the_movielens_mark_for_no_genre_is_no_category() -> None:
    assert split_categories("(no genres listed)") == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,title\n1\n", "a.csv:2: 1 columns where 2 are expected"),
        ("a.csv", "id,title\n,A\n", "a.csv:2: the item's id is empty"),
        ("a.csv", "id,genres\n", "no column looks like the title"),
        ("a.jsonl", "1\n", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", '{"title": "A"}\n', "a.jsonl:1: the object has no item_id"),
        ("a.jsonl", '{"item_id": "A", "features": [1, "x"]}\n', "a.jsonl:1: features must be a list of numbers"),
        ("a.jsonl", '{"item_id": "A", "numbers": [1]}\n', "a.jsonl:1: numbers must be an object of numbers by name"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        read_items(write(tmp_path, name, text))
