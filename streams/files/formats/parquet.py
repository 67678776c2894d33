"""Parquet files, row by row in batches. Needs the extra `parquet`."""

from collections.abc import Iterator, Mapping, Sequence
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.files.formats.log_error import LogError
from streams.schema.parsing.field_map import look_up, parse_path

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 16_384
_MAGIC = b"PAR1"
"""First and last bytes of a file whose footer is not encrypted"""


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns. Raises LogError."""
    with _open(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, paths: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row as (number from 1, value by role); a missing value is left out. Raises LogError.

    `paths` gives the column of each role, or the path of a field inside one: `user.id`.
    """
    with _open(path) as file:
        names = set(file.schema_arrow.names)
        parts = {role: (name,) if name in names else parse_path(name) for role, name in paths.items()}
        columns = list(dict.fromkeys(str(part[0]) for part in parts.values()))
        plain = all(len(part) == 1 for part in parts.values())
        number = 0
        try:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                lists = {column: _values(batch.column(column)) for column in columns}
                for row in zip(*(lists[column] for column in columns), strict=True):
                    number += 1
                    fields = dict(zip(columns, row, strict=True))
                    if plain:
                        values = {role: fields[str(part[0])] for role, part in parts.items()}
                    else:
                        values = {role: look_up(fields, part) for role, part in parts.items()}
                    yield number, {role: value for role, value in values.items() if value is not None}
        except _library_errors() as error:
            raise LogError(f"{path}: row {number + 1} or later cannot be read: {error}") from error


def _values(column: Any) -> Sequence[Any]:
    """The column as Python values; nanoseconds, which Python's times lack, as microseconds."""
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):
        column = column.cast(pyarrow.timestamp("us", tz=column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _open(path: Path) -> "ParquetFile":
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise LogError(f"{path}: Parquet needs the extra `parquet`: pip install 'interest-stream[parquet]'") from None
    try:
        with path.open("rb") as file:  # whose errors are shorter
            begin, size = file.read(len(_MAGIC)), file.seek(0, SEEK_END)
            file.seek(max(0, size - len(_MAGIC)))
            end = file.read()
        if begin != _MAGIC or end != _MAGIC:
            fault = "is empty" if not size else "is cut off" if begin == _MAGIC else "is no Parquet"
            raise LogError(f"{path}: cannot be read: the file {fault}; copy or write it anew")
        return ParquetFile(path, memory_map=False, pre_buffer=False)
    except _library_errors() as error:
        raise LogError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _library_errors() -> tuple[type[Exception], ...]:
    import pyarrow

    return (pyarrow.ArrowException, OSError, ValueError)
