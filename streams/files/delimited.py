"""Delimited text files: `.csv`, `.tsv`, `.inter` and `.item` (typed headers), `.dat` (`::`), `.data`; also gzipped."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from streams.errors import StreamError


class LogError(StreamError):
    """An input file that cannot be read; the message names file, line and fault."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of a delimited file."""

    delimiter: str
    quoted: bool = False
    typed: bool = False  # header cells look like `user_id:token`
    has_header: bool = True


DIALECTS = {  # by suffix
    ".inter": Dialect("\t", typed=True),
    ".item": Dialect("\t", typed=True),
    ".csv": Dialect(",", quoted=True),
    ".tsv": Dialect("\t", quoted=True),
    ".dat": Dialect("::", has_header=False),
    ".data": Dialect("\t", has_header=False),
}
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


def suffix_of(path: Path) -> str:
    """The suffix that determines the format, without `.gz`."""
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


def open_text(path: Path) -> IO[str]:
    """The file as text, gunzipped if it is gzipped; UTF-8, else Latin-1 (the older MovieLens files)."""
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError) as error:
        raise LogError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return io.StringIO(text, newline="")


@dataclass(frozen=True, slots=True)
class DelimitedFile:
    """Column names of a delimited file, and its rows as (line number, cells)."""

    path: Path
    names: list[str]
    types: list[str]  # of a typed header, else ""
    rows: Iterator[tuple[int, list[str]]]

    def column_indexes(
        self, aliases: Mapping[str, Sequence[str]], chosen: Mapping[str, str], required: Sequence[str]
    ) -> dict[str, int]:
        """Column index by role: of the chosen column name, else of the first of the role's aliases in the header.

        Raises LogError if a chosen column is missing, or a required role has no column.
        """
        index_of = {name.lower(): index for index, name in reversed(list(enumerate(self.names)))}
        indexes: dict[str, int] = {}
        for role, names in aliases.items():
            if role in chosen:
                if chosen[role].lower() not in index_of:
                    raise LogError(
                        f"{self.path}: no column {chosen[role]!r} for {role}; it has {', '.join(self.names)}"
                    )
                indexes[role] = index_of[chosen[role].lower()]
            else:
                index = next((index_of[name] for name in names if name in index_of), None)
                if index is not None:
                    indexes[role] = index
        for role in required:
            if role not in indexes:
                raise LogError(
                    f"{self.path}: no column looks like the {role} (columns: {', '.join(self.names)}); "
                    f"name it with --columns {role}=COLUMN"
                )
        return indexes


def read_delimited(path: Path, default_names: Sequence[str]) -> DelimitedFile:
    """The file's columns and rows; `default_names` are the columns of formats without a header."""
    dialect = DIALECTS.get(suffix_of(path))
    if dialect is None:
        known = ", ".join([*DIALECTS, *JSON_SUFFIXES])
        raise LogError(f"{path}: unknown format {suffix_of(path)!r}; known are {known}, each also with .gz")
    rows = _cells(open_text(path), dialect)
    if not dialect.has_header:
        return DelimitedFile(path, list(default_names), [""] * len(default_names), rows)
    header = next(rows, None)
    if header is None:
        raise LogError(f"{path}:1: the file is empty; a header line is expected")
    cells = [cell.strip() for cell in header[1]]
    if not dialect.typed:
        return DelimitedFile(path, cells, [""] * len(cells), rows)
    typed_names = [cell.partition(":") for cell in cells]
    if not all(type_ for _, _, type_ in typed_names):
        raise LogError(f"{path}:1: a typed header such as `user_id:token` is expected, not {cells}")
    return DelimitedFile(path, [name for name, _, _ in typed_names], [type_ for _, _, type_ in typed_names], rows)


def _cells(file: IO[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    if dialect.quoted:
        reader = csv.reader(file, delimiter=dialect.delimiter)
        for cells in reader:
            if cells:
                yield reader.line_num, cells
        return
    for number, line in enumerate(file, 1):
        stripped = line.rstrip("\r\n")
        if stripped:
            yield number, stripped.split(dialect.delimiter)
