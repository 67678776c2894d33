"""Numbered lines of a text file. A line that is not in the file's encoding is bad by itself; the others are read."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from streams.files.formats.compression import open_data
from streams.files.formats.log_error import BadLine, LogError

SAMPLE_BYTES = 256 * 1024
"""The beginning of a file, from which its format is detected"""
MAX_LINE_BYTES = 1 << 20
"""Longer lines are bad: Kafka takes no larger record"""
UTF_8, WINDOWS_1252 = "utf-8", "cp1252"
_BOMS = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF_16_BYTES = 4
_MIN_INVALID_LINES = 2  # lines that are not UTF-8, before all of the file is taken for windows-1252

NumberedLine = tuple[int, str | BadLine]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file with its encoding, and its first lines."""

    path: Path
    encoding: str
    sample: list[str]
    """Complete lines of the beginning, without those that are not in the encoding"""
    note: str = ""
    """How the encoding was detected, where that is not plain"""

    def lines(self) -> Iterator[NumberedLine]:
        """Every line with its line end, numbered from 1. The file is opened again for each iteration."""
        with open_data(self.path) as file:
            yield from enumerate(_decoded(file, self.encoding, mixed=bool(self.note)), 1)

    def chunks(self) -> Iterator[str]:
        """The text in parts of any length. Raises LogError where it is not in the encoding."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        line = 1
        with open_data(self.path) as file:
            try:
                for chunk in iter(lambda: file.read(SAMPLE_BYTES), b""):
                    text = decoder.decode(chunk)
                    line += text.count("\n")
                    yield text
                decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                raise LogError(f"{self.path}:{line} or later: {_not_encoded(error, self.encoding).message}") from None


def open_text(path: Path, encoding: str | None = None) -> TextFile:
    """The file with the given encoding, else the one of its byte order mark, else UTF-8.

    Windows-1252 is detected where at least two lines of the sample are not UTF-8 and no line has UTF-8's other
    characters; lines that are UTF-8 are read as such all the same. Raises LogError.
    """
    with open_data(path) as file:
        data = file.read(SAMPLE_BYTES)
        if file.read(1):
            data = data[: data.rfind(b"\n") + 1] or data
    bom = next((mark for mark in _BOMS if data.startswith(mark)), b"")
    note = ""
    if encoding is None:
        encoding = _BOMS.get(bom, UTF_8)
        if not bom:
            # UTF-16 has one in the first characters; a NUL further on costs its line alone.
            if b"\0" in data[:_UTF_16_BYTES]:
                raise LogError(f"{path}: holds NUL bytes: is it UTF-16? then give --encoding utf-16-le or utf-16-be")
            lines = data.splitlines()
            invalid = sum(not _is_utf_8(line) for line in lines)
            if invalid >= _MIN_INVALID_LINES and not any(not line.isascii() and _is_utf_8(line) for line in lines):
                encoding, note = WINDOWS_1252, f"detected: {invalid} of the first {len(lines)} lines are not UTF-8"
    if encoding in (UTF_8, WINDOWS_1252) and b"\r" in data and b"\n" not in data:
        raise LogError(f"{path}: its lines end in CR alone: write them with LF (`tr '\\r' '\\n'`)")
    try:
        text = data.removeprefix(bom).decode(encoding, "replace")
    except LookupError:
        raise LogError(f"--encoding {encoding!r}: no such encoding; known are utf-8, cp1252, utf-16 …") from None
    sample = [line.rstrip("\r") for line in text.split("\n") if "\N{REPLACEMENT CHARACTER}" not in line]
    return TextFile(path, encoding, sample, note)


def _decoded(file: IO[bytes], encoding: str, mixed: bool) -> Iterator[str | BadLine]:
    lines = _byte_lines(file) if _has_byte_lines(encoding) else _transcoded_lines(file, encoding)
    codec = UTF_8 if mixed or not _has_byte_lines(encoding) else encoding
    first = True
    for line in lines:
        if first:
            first, line = False, line.removeprefix(codecs.BOM_UTF8)
        if isinstance(line, bytes) and len(line) > MAX_LINE_BYTES:
            yield BadLine("too long", f"longer than {MAX_LINE_BYTES:,} bytes")
            continue
        if b"\0" in line:
            yield BadLine("NUL byte", f"byte {line.index(0) + 1} is NUL")
            continue
        try:
            yield line.decode(codec)
        except UnicodeDecodeError as error:
            if not mixed:
                yield _not_encoded(error, encoding)
                continue
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError as second:
                yield _not_encoded(second, encoding)


def _byte_lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES + 1)


def _transcoded_lines(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Lines as UTF-8; what cannot be decoded becomes bytes that are not UTF-8, so that only its line is bad."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    rest = b""
    try:
        for chunk in iter(lambda: file.read(SAMPLE_BYTES), b""):
            *complete, rest = (rest + decoder.decode(chunk).encode(UTF_8, "surrogatepass")).split(b"\n")
            yield from (line + b"\n" for line in complete)
        rest += decoder.decode(b"", final=True).encode(UTF_8, "surrogatepass")
    except UnicodeDecodeError:
        rest += b"\xff"
    if rest:
        yield rest


def _has_byte_lines(encoding: str) -> bool:
    """Whether a line ends at the byte 10, and nowhere else."""
    return not encoding.replace("_", "-").lower().startswith(("utf-16", "utf-32", "utf16", "utf32"))


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def _not_encoded(error: UnicodeDecodeError, encoding: str) -> BadLine:
    advice = "; --encoding cp1252 reads files of older Windows programs" if encoding == UTF_8 else ""
    byte = error.object[error.start]
    return BadLine(f"not {encoding}", f"byte {error.start + 1} (0x{byte:02x}) is not {encoding}{advice}")
