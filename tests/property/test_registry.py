"""Whatever bytes come in Confluent's wire format, and whatever schema wrote them, decoding raises nothing."""

import io
import json
from contextlib import suppress
from typing import Any

import fastavro
from hypothesis import example, given
from hypothesis import strategies as st

from streams.errors import Rejected
from streams.registry.avro import AvroDecoder
from streams.registry.protobuf import ProtobufDecoder
from streams.registry.protobuf_schema import file_descriptor
from streams.registry.schema_registry import PayloadDecoder

_LEAVES = st.sampled_from(
    [
        "null", "boolean", "int", "long", "float", "double", "bytes", "string",
        {"type": "long", "logicalType": "timestamp-millis"}, {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "int", "logicalType": "date"}, {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "time-micros"}, {"type": "string", "logicalType": "uuid"},
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        {"type": "long", "logicalType": "timestamp-nanos"},
    ]
)  # fmt: skip


def _records(types: list[Any]) -> dict[str, Any]:
    return {"type": "record", "fields": [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]}


_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda values: {"type": "map", "values": values}),
        inner.filter(lambda branch: branch != "null" and not isinstance(branch, list)).map(lambda it: ["null", it]),
        st.lists(inner, min_size=1, max_size=4).map(_records),
    ),
    max_leaves=6,
)
PROTOBUF = ProtobufDecoder(
    file_descriptor(
        """
        syntax = "proto3";
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        import "confluent/type/decimal.proto";
        enum Kind { VIEW = 0; BUY = 1; }
        message Event {
          string a = 1; bytes b = 2; double c = 3; sint64 d = 4; repeated Kind e = 5; map<string, Event> f = 6;
          google.protobuf.Timestamp g = 7; google.protobuf.Struct h = 8; google.protobuf.Any i = 9;
          google.protobuf.Duration j = 10; google.protobuf.Int64Value k = 11; confluent.type.Decimal l = 12;
        }
        """,
        {},
    )
)


def _named(schema: Any, names: list[int]) -> Any:
    """The schema with a name of its own for each record."""
    if isinstance(schema, list):
        return [_named(branch, names) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _named(value, names) for key, value in schema.items() if key in ("items", "values", "type")}
    if schema["type"] == "record":
        names.append(len(names))
        inner["name"] = f"R{names[-1]}"
        inner["fields"] = [{**field, "type": _named(field["type"], names)} for field in schema["fields"]]
    return {**schema, **inner}


@given(_SCHEMAS, st.binary(max_size=200))
@example({"type": "int", "logicalType": "date"}, b"\xff\xff\xff\xff\x0f")
def test_any_bytes_by_any_avro_schema(schema: Any, payload: bytes) -> None:
    with suppress(_ItemsTakeNoBytes):
        _never_raises(_avro(json.dumps(_named(schema, []))), payload)


class _ItemsTakeNoBytes(Exception):  # noqa: N818 - no error of the test
    """The schema is refused."""


def _avro(schema: str) -> AvroDecoder:
    try:
        return AvroDecoder(schema)
    except Rejected as error:
        if "items take no bytes" in error.message:
            raise _ItemsTakeNoBytes from error
        raise


def _never_raises(decoder: PayloadDecoder, payload: bytes) -> None:
    """Anything but a schema mismatch fails the test."""
    try:
        json.loads(decoder.to_json(payload))
    except Rejected as error:
        if error.code != "schema_mismatch":
            raise


@given(st.binary(max_size=200))
@example(b"\0\x3a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\0\x62\x02\x18\x7f")
@example(b"\0\x4a\x02\x0a\x00")
def test_any_bytes_by_a_protobuf_schema(payload: bytes) -> None:
    _never_raises(PROTOBUF, payload)


_FIELDS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(), st.booleans())


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _FIELDS))
def test_what_avro_holds_is_what_json_would(value: dict[str, Any]) -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": name, "type": ["null", "boolean", "long", "string"], "default": None} for name in ("a", "b", "c")
        ],
    }
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    decoded = json.loads(AvroDecoder(json.dumps(schema)).to_json(stream.getvalue()))
    assert decoded == {name: field for name, field in value.items() if field is not None}
