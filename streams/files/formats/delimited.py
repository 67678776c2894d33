"""Delimited text files: `.csv`, `.tsv`, `.txt`, `.inter` and `.item` (typed headers), `.dat` (`::`), `.data`."""

import csv
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from streams.files.formats.column_key import column_key
from streams.files.formats.compression import data_suffix
from streams.files.formats.dialect import DIALECTS, Dialect, FormatOptions, detect_dialect, header_cells
from streams.files.formats.log_error import BadLine, LogError, quoted
from streams.files.formats.text_lines import NumberedLine, TextFile, open_text

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
MISSING_CELLS = frozenset({"NULL", "null", "nan", "NaN", "NA", "None", r"\N"})
"""What databases, pandas, R and Python write where there is no value"""
_SEPARATOR_LINE = re.compile(r"sep=([^\"\r\n])", re.IGNORECASE)
"""The first line by which spreadsheets know the delimiter"""
_SMALLEST_EPOCH_S = 10**8  # 1973
MAX_ROW_LINES = 1000
"""Lines of one row at most, where a quoted cell holds line ends"""

Cells = tuple[int, list[str] | BadLine]


@dataclass(frozen=True, slots=True)
class DelimitedFile:
    """A delimited file with its format and the names of its columns."""

    text: TextFile
    dialect: Dialect
    names: list[str]
    types: list[str]
    """Of a typed header, else "" """
    _header_lines: int = field(default=0)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.text.path

    def rows(self) -> Iterator[Cells]:
        """Every row as (number of its first line, cells); a bad one does not cost its neighbours."""
        lines = self.text.lines()
        for _ in range(self._header_lines):
            next(lines, None)
        return _rows(lines, self.dialect, len(self.names))

    def describe(self) -> str:
        """Format and encoding in words."""
        note = f" ({self.text.note})" if self.text.note else ""
        return f"{self.dialect.describe()}, {self.text.encoding}{note}"

    def column_indexes(
        self,
        aliases: Mapping[str, Sequence[str]],
        chosen: Mapping[str, str],
        required: Sequence[str],
        mapped: Mapping[str, str] | None = None,
    ) -> dict[str, int]:
        """Column index by role: of the chosen column, else of a mapped one in the header, else of the role's aliases.

        A chosen column is a name of the header or a number from 1. Raises LogError if a chosen column is missing, or
        a required role has no column.
        """
        by_map = {role: column_key(column) for role, column in (mapped or {}).items() if self.dialect.header}
        index_of = {column_key(name): index for index, name in reversed(list(enumerate(self.names)))}
        indexes: dict[str, int] = {}
        for role, names in (dict[str, Sequence[str]].fromkeys(by_map, ()) | dict(aliases)).items():
            if role in chosen:
                indexes[role] = self._chosen_index(index_of, role, chosen[role])
            elif by_map.get(role) in index_of:
                indexes[role] = index_of[by_map[role]]
            else:
                index = next((index_of[key] for key in map(column_key, names) if key in index_of), None)
                if index is not None:
                    indexes[role] = index
            if role in indexes and not chosen.get(role, "").isdigit():
                self._check_single(role, indexes[role])
        for role in required:
            if role not in indexes:
                advice = f"name it with --columns {role}=COLUMN"
                if not self.dialect.header:
                    numbers = ",".join(f"{name}={number}" for number, name in enumerate(required, 1))
                    advice = f"without a header line, columns go by number: --columns {numbers}"
                elif not indexes:
                    advice += "; if the first line holds values, give --no-header, and columns by number"
                raise LogError(f"{self.path}: no column looks like the {role} ({self._columns()}); {advice}")
        return indexes

    def _chosen_index(self, index_of: Mapping[str, int], role: str, column: str) -> int:
        index = index_of.get(column_key(column))
        if index is None and column.isascii() and column.isdigit() and 1 <= int(column) <= len(self.names):
            index = int(column) - 1
        if index is None:
            count = len(self.names)
            numbers = f"; by number: 1 to {count}" if column.isdigit() else ""
            raise LogError(f"{self.path}: no column {column!r} for {role}; {self._columns()}{numbers}")
        return index

    def _check_single(self, role: str, index: int) -> None:
        """Raises LogError where another column has the name of this one."""
        key = column_key(self.names[index])
        numbers = [str(number) for number, name in enumerate(self.names, 1) if column_key(name) == key]
        if len(numbers) > 1:
            raise LogError(
                f"{self.path}: columns {' and '.join(numbers)} have the name {quoted(self.names[index])}; say which "
                f"is the {role}: --columns {role}={numbers[0]}"
            )

    def _columns(self) -> str:
        names = ", ".join(name if name.isprintable() else quoted(name) for name in self.names)
        if self.dialect.header:
            one = "; --delimiter sets what separates columns" if len(self.names) == 1 else ""
            return f"columns: {names}{one}"
        first = next((line for line in self.text.sample if line), "")
        return f"{len(self.names)} columns, the first line is {quoted(first)}"


def given(cell: str) -> str:
    """The cell, "" where it means that there is no value."""
    return "" if cell in MISSING_CELLS else cell


def read_delimited(
    path: Path,
    default_names: Sequence[str],
    options: FormatOptions | None = None,
    column_names: Collection[str] = (),
    time_is_last: bool = False,
) -> DelimitedFile:
    """The file's format and columns. Raises LogError.

    `default_names` are the columns of MovieLens' formats without a header; `time_is_last`: the last is an epoch time,
    or they are others. `column_names` are words that are known from headers, as keys.
    """
    options = options or FormatOptions()
    suffix = data_suffix(path)
    default = DIALECTS.get(suffix)
    if default is None and options.delimiter is None:
        known = ", ".join([*DIALECTS, *JSON_SUFFIXES, PARQUET_SUFFIXES[0]])
        raise LogError(
            f"{path}: unknown format {suffix!r}; known are {known}, each also with .gz, .zst or .zip; "
            "--delimiter reads other text"
        )
    text = open_text(path, options.encoding)
    first = next((line for line in text.sample if line.strip()), "").strip()
    separator = _SEPARATOR_LINE.fullmatch(text.sample[0]) if text.sample else None
    skipped = 0 if separator is None else 1
    if separator is not None:
        text = replace(text, sample=text.sample[1:])
        options = replace(options, delimiter=options.delimiter or separator[1])
    dialect = detect_dialect(default, text.sample, options, column_names)
    if dialect.header:
        number, line = _first_line(text, skipped)
        names, types = header_cells(dialect, line, f"{path}:{number}")
        return DelimitedFile(text, dialect, names, types, number)
    widths = Counter(len(cells) for _, cells in _rows(enumerate(text.sample), dialect, None) if isinstance(cells, list))
    ((width, _),) = widths.most_common(1) or [(len(default_names), 0)]
    names = [str(number) for number in range(1, width + 1)]
    is_default = suffix in (".dat", ".data") and width == len(default_names)
    if is_default and (not time_is_last or _is_epoch(first.split(dialect.delimiter)[-1])):
        names = list(default_names)
    return DelimitedFile(text, dialect, names, [""] * len(names), skipped)


def _is_epoch(cell: str) -> bool:
    digits = cell.strip(' "')
    return digits.isascii() and digits.isdigit() and int(digits) >= _SMALLEST_EPOCH_S


def _first_line(text: TextFile, skipped: int) -> tuple[int, str]:
    """Number and text of the header line, which lies behind so many lines."""
    for number, line in islice(text.lines(), skipped, None):
        if isinstance(line, BadLine):
            raise LogError(f"{text.path}:{number}: the header line: {line.message}")
        if line.strip():
            return number, line.rstrip("\r\n")
    raise LogError(f"{text.path}:1: the file is empty; a header line is expected")


def _rows(lines: Iterable[NumberedLine], dialect: Dialect, width: int | None) -> Iterator[Cells]:
    """Cells of each line that is not empty; with quoting, of as many lines as a quoted cell goes over."""
    ahead: deque[NumberedLine] = deque()
    source = iter(lines)
    delimiter, quote = dialect.delimiter, dialect.quote
    while True:
        if ahead:
            number, line = ahead.popleft()
        else:
            following = next(source, None)
            if following is None:
                return
            number, line = following
        if isinstance(line, BadLine):
            yield number, line
        elif not quote or quote not in line:
            if stripped := line.rstrip("\r\n"):
                cells = stripped.split(delimiter)
                yield number, cells if width in (None, len(cells)) else _wrong_width(cells, width)
        else:
            taken: list[NumberedLine] = []
            row = _quoted_row(line, ahead, source, taken, dialect, width)
            if isinstance(row, BadLine):
                ahead.extendleft(reversed(taken))
            if row:
                yield number, row


def _quoted_row(
    line: str,
    ahead: deque[NumberedLine],
    source: Iterator[NumberedLine],
    taken: list[NumberedLine],
    dialect: Dialect,
    width: int | None,
) -> list[str] | BadLine:
    """The row that begins with this line; `taken` gets the further lines that were read for it."""

    def row_lines() -> Iterator[str]:
        yield line
        while len(taken) < MAX_ROW_LINES:
            following = ahead.popleft() if ahead else next(source, None)
            if following is None:
                return
            taken.append(following)
            if isinstance(following[1], BadLine):
                return
            yield following[1]

    reader = csv.reader(row_lines(), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            return BadLine("quoting", f"quotes that do not match ({error}); --quote none reads them as characters")
        return BadLine(
            "quoting",
            f"a quote ({dialect.quote}) is opened and not closed within {len(taken) + 1} lines; "
            "--quote none reads quotes as characters",
        )
    if cells and width is not None and len(cells) != width:
        bad = _wrong_width(cells, width)
        if taken:
            return BadLine("quoting", f"a quote ({dialect.quote}) is closed {len(taken)} lines below: {bad.message}")
        return bad
    return cells


def _wrong_width(cells: Sequence[str], width: int) -> BadLine:
    return BadLine("number of columns", f"{len(cells)} columns where {width} are expected")
