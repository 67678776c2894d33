"""Item files: MovieLens `.item`, `movies.dat` and `movies.csv`, other CSV and TSV files, JSON lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from streams.files.delimited import JSON_SUFFIXES, LogError, open_text, read_delimited, suffix_of

COLUMN_ALIASES = {  # role → column names that mean it, in lower case
    "item": ("item_id", "item", "itemid", "id", "movie_id", "movieid", "product_id", "asin", "track_id", "article_id"),
    "title": ("title", "movie_title", "name", "item_name", "product_title"),
    "categories": ("categories", "category", "genres", "genre", "class", "tags", "topics"),
    "year": ("release_year", "year"),
}
MOVIES_COLUMNS = ("movie_id", "title", "genres")  # movies.dat
NO_CATEGORIES = "(no genres listed)"  # MovieLens for none


@dataclass(frozen=True, slots=True)
class FileItem:
    """One item of an item file."""

    item_id: str
    title: str
    categories: tuple[str, ...]

    def encode(self) -> bytes:
        """The `item-catalog` record value."""
        return orjson.dumps({"schema_version": 1, "title": self.title, "categories": self.categories})


def read_items(path: Path) -> list[FileItem]:
    """Every item of the file, in file order. Raises LogError at the first bad line."""
    if suffix_of(path) in JSON_SUFFIXES:
        return list(_json_items(path))
    table = read_delimited(path, MOVIES_COLUMNS)
    index_of = table.column_indexes(COLUMN_ALIASES, {}, ("item", "title"))
    space_separated = "categories" in index_of and table.types[index_of["categories"]] == "token_seq"
    items: list[FileItem] = []
    for number, cells in table.rows:
        if len(cells) != len(table.names):
            raise LogError(f"{path}:{number}: {len(cells)} columns where {len(table.names)} are expected")
        item_id, title = cells[index_of["item"]], cells[index_of["title"]]
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
    for number, line in enumerate(open_text(path), 1):
        if not line.strip():
            continue
        try:
            fields = orjson.loads(line)
            categories = fields.get("categories") or ()
            names = split_categories(categories) if isinstance(categories, str) else tuple(map(str, categories))
            yield FileItem(str(fields["item_id"]), str(fields.get("title") or fields["item_id"]), names)
        except (ValueError, AttributeError, TypeError) as error:
            raise LogError(f"{path}:{number}: not an item object: {error}") from None
        except KeyError:
            raise LogError(f"{path}:{number}: the object has no item_id") from None
