"""JSON files: one object per line, or one array of objects."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from streams.errors import Rejected
from streams.files.formats.log_error import BadLine, LogError, quoted
from streams.files.formats.text_lines import MAX_LINE_BYTES, TextFile
from streams.schema.parsing.json_text import MAX_DEPTH, check_text

NumberedObject = tuple[int, dict[str, Any] | BadLine]

_SCAN = json.JSONDecoder().raw_decode
_WHITE_SPACE = " \t\r\n"


def looks_like_json(text: TextFile) -> bool:
    """Whether the first line is the beginning of an object with a name, or of an array of such objects."""
    first = next((stripped for line in text.sample if (stripped := line.strip())), "")
    return first.startswith(('{"', '[{"'))


def is_array(text: TextFile) -> bool:
    """Whether the file is one array, not an object per line."""
    first = next((stripped for line in text.sample if (stripped := line.strip())), "")
    return first == "[" or (first.startswith("[") and first[1:].lstrip()[:1] == "{")


def json_objects(text: TextFile) -> Iterator[NumberedObject]:
    """Every object as (line number, fields); what is no object is a bad line.

    Raises LogError where an array is broken: where its next element begins is unknown.
    """
    return _array_objects(text) if is_array(text) else _line_objects(text)


def _line_objects(text: TextFile) -> Iterator[NumberedObject]:
    for number, line in text.lines():
        if isinstance(line, BadLine):
            yield number, line
        elif not line.isspace():
            yield number, _parsed(line)


def _parsed(text: str) -> dict[str, Any] | BadLine:
    try:
        if text.count("[") + text.count("{") > MAX_DEPTH:
            check_text(text.encode())
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fault = f"column {error.colno}: not JSON ({error.msg}); one object per line is expected, or one array of them"
        return BadLine("not JSON", fault)
    except Rejected as error:
        return BadLine(error.code, error.message)
    if not isinstance(fields, dict):
        return BadLine("not a JSON object", f"not a JSON object: {quoted(text.strip())}")
    return fields


def _array_objects(text: TextFile) -> Iterator[NumberedObject]:
    buffer = _Buffer(text)
    buffer.skip_white_space()
    buffer.take()  # [
    if buffer.skip_white_space() == "]":
        return
    while True:
        buffer.skip_white_space()
        number = buffer.line
        yield number, _parsed(buffer.take_element())
        following = buffer.skip_white_space()
        if following == "]":
            buffer.take()
            if buffer.skip_white_space():
                raise buffer.broken("text after the array's end")
            return
        if following != ",":
            raise buffer.broken(f"',' or ']' is expected, not {quoted(following) if following else 'the end of file'}")
        buffer.take()


class _Buffer:
    """The part of the text that is being parsed."""

    def __init__(self, text: TextFile):
        self._text = text
        self._chunks = text.chunks()
        self._buffer = ""
        self._start = 0
        self.line = 1

    def broken(self, fault: str) -> LogError:
        """The error for a fault at the next character."""
        return LogError(
            f"{self._text.path}:{self.line}: the JSON array is broken here and cannot be read further: {fault}; "
            "of a file with one object per line, --skip-bad leaves out the line alone"
        )

    def skip_white_space(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            while self._start < len(self._buffer):
                character = self._buffer[self._start]
                if character not in _WHITE_SPACE and character != "\N{ZERO WIDTH NO-BREAK SPACE}":
                    return character
                self.line += character == "\n"
                self._start += 1
            if not self._read_more():
                return ""

    def take(self) -> None:
        """Go over the next character."""
        self._start += 1

    def take_element(self) -> str:
        """The text of the next element."""
        while True:
            try:
                _, end = _SCAN(self._buffer, self._start)
            except (ValueError, RecursionError) as error:
                fault = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
                too_long = len(self._buffer) - self._start > MAX_LINE_BYTES
                if isinstance(error, RecursionError) or too_long or not self._read_more():
                    raise self.broken(fault) from None
                continue
            element = self._buffer[self._start : end]
            self._start = end
            self.line += element.count("\n")
            return element

    def _read_more(self) -> bool:
        chunk = next(self._chunks, "")
        self._buffer = self._buffer[self._start :] + chunk
        self._start = 0
        return bool(chunk)
