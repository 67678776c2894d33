import gzip

import pytest

from streams.schema.decoder import decode
from tests.records import consumer_record


@pytest.mark.parametrize(
    ("value", "code", "fault"),
    [
        (b"", "not_json", "the value is empty"),
        (b" \n", "not_json", "the value is empty"),
        (gzip.compress(b"{}", mtime=0), "not_utf8", "looks like gzip: decompress it before producing"),
        (b'\xef\xbb\xbf{"event_type": "click"}', "not_json", "begins with a byte order mark"),
        ('{"event_type": "click"}'.encode("utf-16"), "not_utf8", "looks like UTF-16"),
        ('{"event_type": "click"}'.encode("utf-16-le"), "not_json", "looks like UTF-16"),
        (b"{'event_type': 'click'}", "not_json", "has single quotes"),
        (
            b'{"a": 1}\n{"a": 2}',
            "not_json",
            "line 2 column 1 (char 9); send several events as records of their own, or",
        ),
        (b'"{\\"a\\": 1}"', "not_an_object", "not a string, in which JSON was encoded once more"),
        (b"{", "not_json", "line 1 column 2"),
        (b"\xff", "not_utf8", "position 0"),
    ],
)
def test_what_is_no_json_is_named_by_what_it_is(value: bytes, code: str, fault: str) -> None:
    _, rejected = decode(consumer_record(value, b"u"))
    assert rejected is not None
    assert rejected.code == code
    assert fault in rejected.message
