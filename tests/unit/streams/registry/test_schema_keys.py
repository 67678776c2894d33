"""Keys in the wire format."""

from typing import Any

import pytest

from tests.registry_server import RegistryServer
from tests.unit.streams.decoding import CLICK, record
from tests.unit.streams.registry.schemas import event_of, framed, reason_of, registry_of


@pytest.mark.parametrize(
    ("kind", "schema", "payload"),
    [
        ("AVRO", '"string"', b"\x04u1"),
        ("AVRO", {"type": "record", "name": "K", "fields": [{"name": "id", "type": "string"}]}, b"\x04u1"),
        (
            "AVRO",
            {"type": "record", "name": "K", "fields": [{"name": n, "type": "string"} for n in ("tenant", "user_id")]},
            b"\x02t\x04u1",
        ),
        ("JSON", {"type": "string"}, b'"u1"'),
        ("JSON", {"type": "object"}, b'{"userId": "u1", "x": 1}'),
        ("PROTOBUF", 'syntax = "proto3"; message K { string id = 1; }', b"\0\x0a\x02u1"),
        (
            "PROTOBUF",
            'syntax = "proto3"; import "google/protobuf/wrappers.proto"; '
            "message K { google.protobuf.StringValue v = 1; }",
            b"\0\x0a\x04\x0a\x02u1",
        ),
    ],
)
async def test_keys_that_a_schema_wrote(
    server: RegistryServer, kind: str, schema: str | dict[str, Any], payload: bytes
) -> None:
    registry, key = registry_of(server), framed(server.add("k", schema, kind), payload)
    assert (await event_of(registry, record(CLICK, key=key))).user_id == "u1"
    rejected = await reason_of(registry, record(CLICK | {"user_id": "u2"}, key=key))
    assert rejected.code == "key_mismatch"
    assert rejected.message.startswith("the key is b'u1', but user_id is 'u2'")


@pytest.mark.parametrize(
    ("kind", "schema", "payload"),
    [
        ("AVRO", '"long"', b"\x22"),
        ("AVRO", '"int"', b"\x22"),
        ("JSON", {"type": "integer"}, b"17"),
        ("PROTOBUF", 'syntax = "proto3"; message K { int64 id = 1; }', b"\0\x08\x11"),
    ],
)
async def test_keys_that_are_numbers(
    server: RegistryServer, kind: str, schema: str | dict[str, Any], payload: bytes
) -> None:
    key = framed(server.add("k", schema, kind), payload)
    assert (await event_of(registry_of(server), record(CLICK | {"user_id": 17}, key=key))).user_id == "17"


@pytest.mark.parametrize(
    ("user", "length"),
    [(17, 4), (2**24 - 1, 4), (17, 8), (2**24 + 5, 8), (2**24 + 0x04_61_62, 8), (2**40, 8), (2**48 - 1, 8)],
)
async def test_keys_of_number_serializers_are_still_taken(server: RegistryServer, user: int, length: int) -> None:
    """Their bytes begin with a zero byte too, and may be what a schema writes: id 1 and the string "ab"."""
    server.add("k", '"string"')
    source = record(CLICK | {"user_id": user}, key=user.to_bytes(length))
    assert (await event_of(registry_of(server), source)).user_id == str(user)
