"""orjson and msgspec on what strangers send: what is refused, how, and what slips through."""

import math

import msgspec
import orjson
import pytest


class Event(msgspec.Struct):
    a: int
    b: float = 0.0
    text: str = ""


DECODE = msgspec.json.Decoder(Event).decode


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e400", b'"\xff"', b'"\\ud800"', b"", b"[1,]", b"{} x"])
def test_orjson_refuses_what_is_not_json(text: bytes) -> None:
    """A value that orjson read is finite and valid UTF-8. When it fails: check finiteness and text after decoding."""
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)


def test_orjson_stops_at_depth_1024() -> None:
    """Nesting cannot exhaust the stack. When it fails: measure the depth before decoding."""
    orjson.loads(b"[" * 1024 + b"]" * 1024)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(b"[" * 1025 + b"]" * 1025)


def test_orjson_turns_big_integers_into_floats_and_keeps_the_last_duplicate() -> None:
    """Two ways in which a record changes without an error. When it fails: the documented facts of the wire change."""
    assert orjson.loads(b"18446744073709551615") == 2**64 - 1
    big = orjson.loads(b"18446744073709551616")
    assert isinstance(big, float)
    assert orjson.loads(b'{"a": 1, "a": 2}') == {"a": 2}


def test_encoders_write_what_is_not_finite_as_null() -> None:
    """Silently: so a prediction is known to be finite before it is encoded, and a non-finite step is refused.

    When it fails: encoding has become a check of its own.
    """
    assert orjson.dumps([math.nan, math.inf]) == b"[null,null]"
    assert msgspec.json.encode([math.nan, math.inf]) == b"[null,null]"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"a":true}', msgspec.ValidationError),
        (b'{"a":1.0}', msgspec.ValidationError),
        (b'{"a":"1"}', msgspec.ValidationError),
        (b'{"a":1,"b":1e400}', msgspec.ValidationError),
        (b'{"b":1}', msgspec.ValidationError),
        (b'{"a":1,"b":NaN}', msgspec.DecodeError),
        (b'{"a":1} x', msgspec.DecodeError),
        (b"", msgspec.DecodeError),
        (b'{"a":1,"text":"\xff"}', UnicodeDecodeError),
        (b'{"a":1,"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", RecursionError),
    ],
)
def test_msgspec_refuses_in_three_kinds(text: bytes, error: type[Exception]) -> None:
    """MsgspecError, UnicodeDecodeError and RecursionError: whoever decodes events catches all three.

    When it fails: name the new kind where events are decoded.
    """
    with pytest.raises(error):
        DECODE(text)
    assert issubclass(msgspec.ValidationError, msgspec.DecodeError)
    assert issubclass(msgspec.DecodeError, msgspec.MsgspecError)


def test_msgspec_keeps_big_integers_and_the_last_duplicate() -> None:
    """Unlike orjson's, an integer stays exact. When it fails: bounds on numbers have to come before the decoding."""
    assert DECODE(b'{"a":18446744073709551616}') == Event(2**64)
    assert DECODE(b'{"a":1,"a":2}') == Event(2)


def test_msgspec_does_not_look_into_the_text_of_fields_that_it_skips() -> None:
    """Bad UTF-8 passes in an unknown name or field and in a Raw one; what is kept raw is checked apart.

    When it fails: the check of raw text may go.
    """

    class Keeper(msgspec.Struct):
        x: msgspec.Raw

    assert DECODE(b'{"a":1,"x":"\xff","\xff":1}') == Event(1)
    assert bytes(msgspec.json.decode(b'{"x":"\xff"}', type=Keeper).x) == b'"\xff"'
