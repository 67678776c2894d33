"""Format of a delimited file, detected from its first lines: delimiter, header line, quote character."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from streams.files.formats.column_key import column_key
from streams.files.formats.log_error import LogError, quoted

DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_CANDIDATES = (",", "\t", ";", "|", "::")
_SAMPLE_LINES = 500


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What the operator says about a file's format; None is detected."""

    delimiter: str | None = None
    header: bool | None = None
    encoding: str | None = None
    quote: str | None = None
    """"" = no quoting"""

    @classmethod
    def parse(
        cls, delimiter: str | None, header: bool | None, encoding: str | None, quote: str | None
    ) -> "FormatOptions":
        """The options as they are typed: `tab` for a tab, `none` for no quoting. Raises LogError."""
        if delimiter is not None:
            delimiter = DELIMITER_NAMES.get(delimiter.lower(), delimiter)
            if not delimiter or any(character in delimiter for character in '\r\n"'):
                raise LogError(f"--delimiter {delimiter!r}: expected a character, or {', '.join(DELIMITER_NAMES)}")
        if quote is not None:
            quote = "" if quote.lower() in ("", "none") else quote
            if len(quote) > 1 or quote in ("\r", "\n", " ") or (quote and quote == delimiter):
                raise LogError(f"--quote {quote!r}: expected one character, or none")
            if quote and len(delimiter or "") > 1:
                raise LogError(f"--quote {quote!r}: needs a delimiter of one character, not {delimiter!r}")
        return cls(delimiter, header, encoding, quote)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of a delimited file."""

    delimiter: str
    quote: str = ""
    """"" = none: quotes are characters like others"""
    header: bool = True
    typed: bool = False
    """Whether header cells look like `user_id:token`"""

    def split(self, line: str) -> list[str]:
        """The cells of a line without its line end. Raises csv.Error for quotes that do not match."""
        if not self.quote or self.quote not in line:
            return line.split(self.delimiter)
        return next(csv.reader([line], delimiter=self.delimiter, quotechar=self.quote, strict=True), [])

    def describe(self) -> str:
        """The format in words."""
        names = {character: name for name, character in DELIMITER_NAMES.items() if name != "\\t"}
        header = "typed header line" if self.typed else "header line" if self.header else "no header line"
        quoting = f"quote character {self.quote}" if self.quote else "no quoting"
        return f"delimiter {names.get(self.delimiter, self.delimiter)}, {header}, {quoting}"


DIALECTS = {  # by suffix
    ".inter": Dialect("\t", typed=True),
    ".item": Dialect("\t", typed=True),
    ".csv": Dialect(",", '"'),
    ".txt": Dialect(",", '"'),
    ".psv": Dialect("|", '"'),
    ".tsv": Dialect("\t"),
    ".dat": Dialect("::", header=False),
    ".data": Dialect("\t", header=False),
}


def detect_dialect(
    default: Dialect | None, lines: Sequence[str], options: FormatOptions, column_names: Collection[str]
) -> Dialect:
    """The dialect of these lines; the suffix implies the default, `column_names` are a header's words, as keys."""
    lines = [line for line in lines[:_SAMPLE_LINES] if line]
    if default is not None and default.typed and options == FormatOptions(encoding=options.encoding):
        return default
    delimiter = options.delimiter or _detect_delimiter(default, lines, options, column_names)
    quote = _quote(delimiter, options)
    dialect = Dialect(delimiter, quote)
    header = options.header
    if header is None:
        header = _detect_header(dialect, lines, column_names, default.header if default else True)
    return Dialect(delimiter, quote, header)


def _quote(delimiter: str, options: FormatOptions) -> str:
    if options.quote is not None:
        return options.quote if len(delimiter) == 1 else ""
    return '"' if len(delimiter) == 1 and delimiter != "\t" else ""


def _detect_delimiter(
    default: Dialect | None, lines: Sequence[str], options: FormatOptions, column_names: Collection[str]
) -> str:
    """The delimiter that splits most lines into the same number of cells.

    Names of columns that the first line would have count first, then the share of lines, then the suffix.
    """
    preferred = default.delimiter if default else ","
    best: tuple[tuple[int, float, bool, bool, int], str] | None = None
    for delimiter in dict.fromkeys((preferred, *_CANDIDATES)):
        dialect = Dialect(delimiter, _quote(delimiter, options))
        counts = Counter(len(cells) for line in lines if (cells := _cells(dialect, line)) is not None)
        usual, agreeing = max(counts.items(), key=lambda count: (count[1], count[0]), default=(1, 0))
        if usual < 2:
            continue
        names = sum(column_key(cell) in column_names for cell in _cells(dialect, lines[0]) or [])
        share = round(agreeing / len(lines), 1)
        rank = (names, share, usual >= 3, delimiter == preferred, usual)
        if best is None or rank > best[0]:
            best = rank, delimiter
    return best[1] if best else preferred


def _detect_header(dialect: Dialect, lines: Sequence[str], column_names: Collection[str], default: bool) -> bool:
    """Whether the first line has names of columns: known ones, or no number where the lines below have numbers."""
    rows = [cells for line in lines if (cells := _cells(dialect, line)) is not None]
    if not rows:
        return default
    names = sum(column_key(cell) in column_names for cell in rows[0])
    numbers = sum(map(_is_number, rows[0]))
    if names >= 2 or (names and not numbers):
        return True
    if numbers:
        return False
    below = [row for row in rows[1:] if len(row) == len(rows[0])]
    if any(all(_is_number(row[column]) for row in below) for column in range(len(rows[0])) if below):
        return True
    return default


def _cells(dialect: Dialect, line: str) -> list[str] | None:
    try:
        return dialect.split(line)
    except csv.Error:
        return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def header_cells(dialect: Dialect, line: str, where: str) -> tuple[list[str], list[str]]:
    """Names and types (of a typed header, else "") of the columns. Raises LogError."""
    try:
        cells = [cell.strip() for cell in dialect.split(line)]
    except csv.Error as error:
        raise LogError(f"{where}: the header line's quotes do not match ({error}): {quoted(line)}") from None
    if not dialect.typed:
        return cells, [""] * len(cells)
    parts = [cell.partition(":") for cell in cells]
    if not all(type_ for _, _, type_ in parts):
        raise LogError(f"{where}: a typed header such as `user_id:token` is expected, not {quoted(line)}")
    return [name for name, _, _ in parts], [type_ for _, _, type_ in parts]
