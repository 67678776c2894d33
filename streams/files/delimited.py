"""Delimited text files as named columns: typed headers (`.inter`, `.item`), `::` (`.dat`), tabs, commas, gzip."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from streams.errors import StreamError


class LogError(StreamError):
    """A file that cannot be read; the message names file, line and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of file is laid out, judged by its suffix."""

    delimiter: str
    quoted: bool = False
    typed: bool = False  # header cells look like `user_id:token`
    headless: bool = False


DIALECTS = {
    ".inter": Dialect("\t", typed=True),
    ".item": Dialect("\t", typed=True),
    ".csv": Dialect(",", quoted=True),
    ".tsv": Dialect("\t", quoted=True),
    ".dat": Dialect("::", headless=True),
    ".data": Dialect("\t", headless=True),
}
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


def suffix_of(path: Path) -> str:
    """The suffix that tells the format, `.gz` aside."""
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


def open_text(path: Path) -> IO[str]:
    """The file as text: gunzipped where it is gzipped, Latin-1 where it is not UTF-8 (the older MovieLens files)."""
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
class Delimited:
    """One delimited file: its column names, and its rows as (line number, cells)."""

    path: Path
    names: list[str]
    types: list[str]  # of a typed header; "" elsewhere
    rows: Iterator[tuple[int, list[str]]]

    def find(
        self, guesses: Mapping[str, Sequence[str]], chosen: Mapping[str, str], required: Sequence[str]
    ) -> dict[str, int]:
        """Role → column index: as chosen, else the first guess that the header has.

        Raises `LogError` for a chosen column that is not there and for a required role without one.
        """
        places = {name.lower(): place for place, name in reversed(list(enumerate(self.names)))}
        found: dict[str, int] = {}
        for role, names in guesses.items():
            if role in chosen:
                if chosen[role].lower() not in places:
                    raise LogError(
                        f"{self.path}: no column {chosen[role]!r} for {role}; it has {', '.join(self.names)}"
                    )
                found[role] = places[chosen[role].lower()]
            else:
                place = next((places[name] for name in names if name in places), None)
                if place is not None:
                    found[role] = place
        for role in required:
            if role not in found:
                raise LogError(
                    f"{self.path}: no column looks like the {role} (columns: {', '.join(self.names)}); "
                    f"name it with --columns {role}=COLUMN"
                )
        return found


def read_delimited(path: Path, headless_names: Sequence[str]) -> Delimited:
    """The file's columns and rows; `headless_names` are those of a format without a header."""
    dialect = DIALECTS.get(suffix_of(path))
    if dialect is None:
        known = ", ".join([*DIALECTS, *JSON_SUFFIXES])
        raise LogError(f"{path}: unknown format {suffix_of(path)!r}; known are {known}, each also with .gz")
    rows = _cells(open_text(path), dialect)
    if dialect.headless:
        return Delimited(path, list(headless_names), [""] * len(headless_names), rows)
    header = next(rows, None)
    if header is None:
        raise LogError(f"{path}:1: the file is empty; a header line is expected")
    cells = [cell.strip() for cell in header[1]]
    if not dialect.typed:
        return Delimited(path, cells, [""] * len(cells), rows)
    parts = [cell.partition(":") for cell in cells]
    if not all(kind for _, _, kind in parts):
        raise LogError(f"{path}:1: a typed header such as `user_id:token` is expected, not {cells}")
    return Delimited(path, [name for name, _, _ in parts], [kind for _, _, kind in parts], rows)


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
