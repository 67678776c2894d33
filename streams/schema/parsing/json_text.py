"""JSON text as producers send it: checked for UTF-8 and depth, parsed with the faults that serializers really make."""

import codecs
import json
import re
from itertools import accumulate
from typing import Final

import msgspec

from streams.errors import Rejected
from streams.schema.parsing.wire_format import wire_format_hint

MAX_DEPTH: Final = 64

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_PARSE: Final = msgspec.json.Decoder().decode
_INTEGER_DIGITS: Final = 400  # a float holds no more, and Python refuses to read 4 301
_SEVERAL: Final = "; send several events as records of their own, or as one array"
# A pair of surrogates, a surrogate alone, or any other escape (so that an escaped backslash hides what follows it).
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def parse(value: bytes) -> object:
    """The value as Python objects. Raises Rejected.

    A surrogate without its pair becomes U+FFFD; NaN and the infinities, which Python's and Java's serializers write,
    become null.
    """
    check_text(value)
    try:
        return _PARSE(value)
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        return _LENIENT.decode(_ESCAPE.sub(_replace_lone_surrogate, value).decode())
    except json.JSONDecodeError as error:
        hint = _SEVERAL if error.msg == "Extra data" else wire_format_hint(value)
        fault = _known_fault(value) or f"{error}{hint}"
        raise Rejected("not_json", fault) from None
    except (ValueError, RecursionError) as error:
        raise Rejected("not_json", str(error)) from None


def check_text(value: bytes) -> None:
    """Refuse bytes that are not UTF-8, or that nest deeper than MAX_DEPTH (whatever the depth of our own stack)."""
    try:
        _ = value.isascii() or value.decode()
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", _known_fault(value) or str(error)) from None
    if value.count(b"[") + value.count(b"{") > MAX_DEPTH:
        brackets = _STRING.sub(b"", value).translate(None, _NO_BRACKET)
        if max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH:
            raise Rejected("nesting_too_deep", f"nested deeper than {MAX_DEPTH} levels")


def _known_fault(value: bytes) -> str | None:
    """What is wrong with bytes of a kind that producers send by mistake."""
    if not value.strip():
        return "the value is empty"
    if value.startswith(b"\x1f\x8b"):
        return "looks like gzip: decompress it before producing, or set the producer's compression.type"
    if value.startswith(codecs.BOM_UTF8):
        return "begins with a byte order mark: write UTF-8 without one"
    if value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"{\0", b"\0{")):
        return "looks like UTF-16: write UTF-8"
    if value.startswith(b"{'"):
        return "has single quotes, as Python's str() writes a dict: write JSON (json.dumps)"
    return None


def parse_nested(value: object) -> object:
    """The value that a JSON string holds (objects are often sent as such); any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value.encode())
    except Rejected:
        return value


def _replace_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else rb"\ufffd"


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float(digits)


_LENIENT: Final = json.JSONDecoder(parse_constant=lambda _: None, parse_int=_integer)
