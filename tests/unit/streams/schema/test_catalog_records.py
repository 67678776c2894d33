"""Records of item-catalog."""

from typing import Any

import pytest

from streams.errors import Rejected
from streams.schema.decoder import MAX_RECORD_BYTES, decode_item
from streams.schema.events import ItemDelete, ItemUpsert
from tests.unit.streams.decoding import record


def test_a_catalog_record_describes_the_item_of_its_key() -> None:
    value = {"title": "T", "text": None, "categories": ["a"], "features": [1, 0.5], "timestamp": "any", "year": 1999}
    expected = ItemUpsert(item_id="u1", title="T", categories=("a",), features=(1.0, 0.5))
    assert decode_item(record(value)) == decode_item(record(value | {"item_id": "u1"})) == expected
    assert decode_item(record(None)) == ItemDelete("u1")


@pytest.mark.parametrize(("value", "protected"), [(True, True), (False, False), (None, False), ("yes", False)])
def test_only_true_protects_an_item(value: object, protected: bool) -> None:
    item = decode_item(record({"title": "T", "protected": value}))
    assert isinstance(item, ItemUpsert)
    assert item.protected is protected


@pytest.mark.parametrize(
    ("value", "key", "code"),
    [
        ({}, None, "missing_key"),
        ({}, b"", "missing_key"),
        ({}, b"\xff", "not_utf8"),
        ({}, b"x" * 513, "field_too_large"),
        (None, b"x" * 513, "field_too_large"),
        ({"item_id": "i8"}, b"i9", "key_mismatch"),
        ({"schema_version": 3}, b"i9", "unknown_schema_version"),
        (b"[]", b"i9", "not_an_object"),
        (b" " * (MAX_RECORD_BYTES + 1), b"i9", "record_too_large"),
    ],
)
def test_a_bad_catalog_record_is_refused_with_a_code(
    value: dict[str, Any] | bytes | None, key: bytes, code: str
) -> None:
    with pytest.raises(Rejected) as error:
        decode_item(record(value, key=key))
    assert error.value.code == code
