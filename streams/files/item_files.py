"""Item files: MovieLens `.item`, `movies.dat` and `movies.csv`, other delimited text, JSON (lines or an array)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from streams.files.formats.column_key import column_key
from streams.files.formats.compression import data_suffix
from streams.files.formats.delimited import JSON_SUFFIXES, given, read_delimited
from streams.files.formats.json_objects import json_objects, looks_like_json
from streams.files.formats.log_error import BadLine, LogError
from streams.files.formats.text_lines import open_text

COLUMN_ALIASES = {  # role → column names that mean it, as they are usually written
    "item": ("item_id", "item", "itemid", "id", "movie_id", "movieid", "product_id", "asin", "track_id", "article_id"),
    "title": ("title", "movie_title", "name", "item_name", "product_title"),
    "categories": ("categories", "category", "genres", "genre", "class", "tags", "topics"),
    "year": ("release_year", "year"),
}
MOVIES_COLUMNS = ("movie_id", "title", "genres")  # movies.dat
NO_CATEGORIES = "(no genres listed)"  # MovieLens for none
_KNOWN_NAMES = frozenset(column_key(alias) for aliases in COLUMN_ALIASES.values() for alias in aliases)


@dataclass(frozen=True, slots=True)
class FileItem:
    """One item of an item file."""

    item_id: str
    title: str
    categories: tuple[str, ...]
    features: Sequence[float] = ()
    """Feature vector; of items in JSON alone, as `numbers` are"""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The `item-catalog` record value."""
        record = {"schema_version": 1, "title": self.title, "categories": self.categories}
        given = {"features": self.features, "numbers": self.numbers}
        return orjson.dumps(record | {name: value for name, value in given.items() if value})


def read_items(path: Path) -> list[FileItem]:
    """Every item of the file, in file order. Raises LogError at the first bad line."""
    if data_suffix(path) in JSON_SUFFIXES or looks_like_json(open_text(path)):
        return list(_json_items(path))
    table = read_delimited(path, MOVIES_COLUMNS, column_names=_KNOWN_NAMES)
    index_of = table.column_indexes(COLUMN_ALIASES, {}, ("item", "title"))
    space_separated = "categories" in index_of and table.types[index_of["categories"]] == "token_seq"
    items: list[FileItem] = []
    for number, cells in table.rows():
        if isinstance(cells, BadLine):
            raise LogError(f"{path}:{number}: {cells.message}")
        item_id, title = given(cells[index_of["item"]]), cells[index_of["title"]]
        if not item_id:
            raise LogError(f"{path}:{number}: the item's id is empty")
        year = cells[index_of["year"]] if "year" in index_of else ""
        categories = cells[index_of["categories"]] if "categories" in index_of else ""
        items.append(
            FileItem(item_id, f"{title} ({year})" if year else title, split_categories(categories, space_separated))
        )
    return items


def split_categories(text: str, space_separated: bool = False) -> tuple[str, ...]:
    """The categories in one cell, separated by `|`, else `;`, else `,`; or by white space."""
    if text == NO_CATEGORIES:
        return ()
    separator = None if space_separated else next((character for character in "|;" if character in text), ",")
    return tuple(dict.fromkeys(name.strip() for name in text.split(separator) if name.strip()))


def _json_items(path: Path) -> Iterator[FileItem]:
    for number, fields in json_objects(open_text(path)):
        if isinstance(fields, BadLine):
            raise LogError(f"{path}:{number}: {fields.message}")
        item_id, title, categories = fields.get("item_id"), fields.get("title"), fields.get("categories") or ()
        if item_id is None or item_id == "":
            raise LogError(f"{path}:{number}: the object has no item_id")
        for name, value in (("item_id", item_id), ("title", title)):
            if isinstance(value, dict | list | bool):
                raise LogError(f"{path}:{number}: {name} must be a string or a number, not {value!r:.60}")
        if not isinstance(categories, str | list | tuple):
            raise LogError(f"{path}:{number}: categories must be a string or a list, not {categories!r:.60}")
        names = split_categories(categories) if isinstance(categories, str) else tuple(map(str, categories))
        features, numbers = fields.get("features") or [], fields.get("numbers") or {}
        if not isinstance(features, list) or not _are_numbers(features):
            raise LogError(f"{path}:{number}: features must be a list of numbers, not {features!r:.60}")
        if not isinstance(numbers, dict) or not _are_numbers(list(numbers.values())):
            raise LogError(f"{path}:{number}: numbers must be an object of numbers by name, not {numbers!r:.60}")
        yield FileItem(str(item_id), str(title or item_id), names, tuple(features), numbers)


def _are_numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
