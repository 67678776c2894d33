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
        (b"{", "not_json", "line 1 column 2"),
        (b"\xff", "not_utf8", "position 0"),
    ],
)
def test_what_is_no_json_is_named_by_what_it_is(value: bytes, code: str, fault: str) -> None:
    _, rejected = decode(consumer_record(value, b"u"))
    assert rejected is not None
    assert rejected.code == code
    assert fault in rejected.message
