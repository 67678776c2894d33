"""Golden bytes are those of the Avro specification's encoding, written out by hand."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest

from streams.errors import Rejected
from streams.registry.avro import AvroDecoder

EVENT = {
    "type": "record",
    "name": "UserEvent",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "event_type", "type": {"type": "enum", "name": "Kind", "symbols": ["view", "click"]}},
        {"name": "item_id", "type": ["null", "string"], "default": None},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "value", "type": ["null", "double"], "default": None},
    ],
}


def decoded(schema: Any, payload: bytes, *references: Any) -> Any:
    decoder = AvroDecoder(json.dumps(schema), [json.dumps(reference) for reference in references])
    return json.loads(decoder.to_json(payload))


def written(schema: Any, value: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def test_golden_bytes() -> None:
    payload = b"\x04u1\x02\x02\x04i9\xf6\x9d\xc6\xd4\xe7\x64\x02\x00\x00\x00\x00\x00\x00\x0c\x40"
    assert decoded(EVENT, payload) == {
        "user_id": "u1",
        "event_type": "click",
        "item_id": "i9",
        "timestamp": 1_731_900_000_123,
        "value": 3.5,
    }


def test_fields_that_are_null_are_left_out() -> None:
    assert decoded(EVENT, b"\x04u1\x00\x00\xf6\x9d\xc6\xd4\xe7\x64\x00") == {
        "user_id": "u1",
        "event_type": "view",
        "timestamp": 1_731_900_000_123,
    }


@pytest.mark.parametrize(
    ("kind", "logical_type", "number", "expected"),
    [
        ("long", "timestamp-millis", 1_731_900_000_123, 1_731_900_000_123),
        ("long", "timestamp-micros", 1_731_900_000_123_456, 1_731_900_000_123),
        ("long", "timestamp-nanos", 1_731_900_000_123_456_789, 1_731_900_000_123),
        ("long", "local-timestamp-millis", 1_731_900_000_123, 1_731_900_000_123),
        ("long", "local-timestamp-micros", 1_731_900_000_123_456, 1_731_900_000_123),
        # A number so small is taken for seconds where it comes without its unit.
        ("long", "timestamp-millis", 86_400_000, "1970-01-02T00:00:00+00:00"),
        ("long", "timestamp-micros", -1_000, "1969-12-31T23:59:59.999000+00:00"),
        ("int", "date", 20_045, "2024-11-18"),
        ("int", "time-millis", 3_600_000, "01:00:00"),
        ("long", None, 1_731_900_000_123, 1_731_900_000_123),
    ],
)
def test_times_are_exact(kind: str, logical_type: str | None, number: int, expected: object) -> None:
    payload = written(kind, number)
    assert decoded({"type": kind, "logicalType": logical_type} if logical_type else kind, payload) == expected


def test_other_logical_types_are_what_json_has_for_them() -> None:
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    assert decoded(decimal, written(decimal, Decimal("12.30"))) == "12.30"
    number = {"type": "bytes", "logicalType": "decimal", "precision": 12}  # NUMBER, as Connect's JDBC source has it
    assert decoded(number, written(number, Decimal(17))) == "17"
    uuid = UUID("12345678-1234-5678-1234-567812345678")
    assert decoded({"type": "string", "logicalType": "uuid"}, written("string", str(uuid))) == str(uuid)
    fixed = {"type": "fixed", "name": "Id", "size": 16}
    assert decoded(fixed | {"logicalType": "uuid"}, written(fixed, uuid.bytes)) == str(uuid)
    assert decoded("bytes", b"\x04\xff\x00") == "/wA="


def test_nested_types_and_unions() -> None:
    schema = {
        "type": "record",
        "name": "Event",
        "namespace": "shop",
        "fields": [
            {"name": "user", "type": {"type": "record", "name": "User", "fields": [{"name": "id", "type": "long"}]}},
            {"name": "products", "type": {"type": "array", "items": ["null", "string", "User"]}},
            {"name": "properties", "type": {"type": "map", "values": ["boolean", "double"]}},
        ],
    }
    value = {"user": {"id": 7}, "products": ["a", None, {"id": 8}], "properties": {"x": True, "y": 0.5}}
    assert decoded(schema, written(schema, value)) == value


def test_referenced_schemas() -> None:
    inner = {"type": "record", "name": "Id", "namespace": "shop", "fields": [{"name": "text", "type": "string"}]}
    user = {"type": "record", "name": "User", "namespace": "shop", "fields": [{"name": "id", "type": "shop.Id"}]}
    event = {"type": "record", "name": "Event", "fields": [{"name": "user", "type": "shop.User"}]}
    assert decoded(event, b"\x04u1", inner, user) == {"user": {"id": {"text": "u1"}}}
    with pytest.raises(Rejected, match=r"unusable_schema: its Avro schema cannot be read: .*shop\.User") as caught:
        decoded(event, b"\x04u1")
    assert caught.value.code == "unusable_schema"


def test_a_schema_that_is_a_name_alone() -> None:
    assert decoded("string", b"\x04u1") == "u1"
    assert decoded({"type": "long"}, b"\x22") == 17


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x04u", b"\x04u1\x09", b"\x04u1\x02\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x04\xff\xfe"],
)
def test_bytes_of_another_schema_are_refused(payload: bytes) -> None:
    with pytest.raises(Rejected, match="is not of its Avro schema: ") as caught:
        decoded(EVENT, payload)
    assert caught.value.code == "schema_mismatch"


def test_bytes_behind_the_end_are_refused() -> None:
    with pytest.raises(Rejected, match="2 bytes follow its end"):
        decoded("string", b"\x04u1xx")


@pytest.mark.parametrize(
    "text", ["", "{", '{"type": "record"}', '"nothing"', '{"type": "array", "items": "null"}', "1"]
)
def test_a_schema_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="unusable_schema: its Avro schema cannot be read: "):
        AvroDecoder(text)


def test_an_array_of_any_number_of_items_in_a_few_bytes_is_refused() -> None:
    empty = {"type": "record", "name": "Nothing", "fields": [{"name": "x", "type": "null"}]}
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": empty}}]}
    with pytest.raises(Rejected, match="an array whose items take no bytes"):
        AvroDecoder(json.dumps(schema))


def test_no_depth_ends_the_process() -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    assert decoded(node, b"\x02\x02\x00") == {"next": {"next": {"next": None}}}
    with pytest.raises(Rejected, match=r"schema_mismatch: .*recursion"):
        decoded(node, b"\x02" * 1_000_000 + b"\x00")


def test_readers_of_the_same_process_keep_their_logical_types() -> None:
    AvroDecoder(json.dumps(EVENT))
    schema = {"type": "long", "logicalType": "timestamp-millis"}
    read = fastavro.schemaless_reader(io.BytesIO(written("long", 1)), fastavro.parse_schema(schema), None)
    assert read == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)
    assert date.fromisoformat("2024-11-18") - date(1970, 1, 1) == timedelta(days=20_045)
