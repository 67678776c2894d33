import json
from collections.abc import Sequence
from typing import Any

import pytest

from streams.errors import RegistryError, Rejected
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.connection import connect_registry
from streams.schema.decoder import SchemaRules, decode, decode_item
from streams.schema.events import ItemDelete
from streams.schema.parsing.field_map import FieldMap
from streams.settings.registry_section import RegistrySettings
from tests.registry_server import RegistryServer
from tests.unit.streams.decoding import CLICK, record
from tests.unit.streams.registry.schemas import TIME, VALUE, event_of, framed, reason_of, registry_of
from tests.unit.streams.registry.test_avro import EVENT, written


async def test_the_three_formats_give_the_same_event(server: RegistryServer) -> None:
    proto = """
        syntax = "proto3";
        import "google/protobuf/timestamp.proto";
        enum Kind { VIEW = 0; CLICK = 1; }
        message Event { string user_id = 1; Kind event_type = 2; string item_id = 3;
                        google.protobuf.Timestamp timestamp = 4; double value = 5; }
    """
    payloads = {
        server.add("a", EVENT): written(EVENT, VALUE),
        server.add("j", {"type": "object"}, "JSON"): json.dumps(VALUE).encode(),
        server.add("p", proto, "PROTOBUF"): b"\0\x0a\x02u1\x10\x01\x1a\x02i9"
        b"\x22\x0b\x08\xe0\xe4\xea\xb9\x06\x10\xc0\xa9\xd3\x3a\x29\0\0\0\0\0\0\x0c\x40",
    }
    registry = registry_of(server)
    expected = await event_of(registry, record(VALUE))
    events = [await event_of(registry, record(framed(*entry))) for entry in payloads.items()]
    assert events == [expected] * 3
    assert (expected.time_ms, expected.value, expected.event_id) == (TIME, 3.5, "user-events:3:991")


async def test_a_field_map_and_other_forms_apply_to_what_a_schema_wrote(server: RegistryServer) -> None:
    schema = {
        "type": "record",
        "name": "Activity",
        "fields": [
            {"name": "who", "type": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "long"}]}},
            {"name": "eventType", "type": "string"},
            {"name": "sku", "type": "string"},
            {"name": "sentAt", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "properties", "type": {"type": "map", "values": "string"}},
        ],
    }
    value = {"who": {"id": 7}, "eventType": "buy", "sku": "i9", "sentAt": TIME * 1000, "properties": {"a": "b"}}
    source = record(framed(server.add("a", schema), written(schema, value)), key=b"7")
    event = await event_of(registry_of(server), source, FieldMap({"user": "who.id", "item": "sku"}))
    assert (event.user_id, event.event_type, event.item_id, event.time_ms) == ("7", "purchase", "i9", TIME)


async def test_the_schema_of_the_writer_is_used_as_it_evolves(server: RegistryServer) -> None:
    fields = EVENT["fields"]
    assert isinstance(fields, list)
    newer = EVENT | {"fields": [{"name": "text", "type": "string"}, *fields]}
    first, second = server.add("a", EVENT), server.add("a", newer)
    registry = registry_of(server)
    before = await event_of(registry, record(framed(first, written(EVENT, VALUE))))
    after = await event_of(registry, record(framed(second, written(newer, VALUE | {"text": "new"}))))
    assert (before.text, after.text) == (None, "new")
    assert before.item_id == after.item_id


async def test_each_schema_is_asked_for_once(server: RegistryServer) -> None:
    key_id, value_id = server.add("k", '"string"'), server.add("v", EVENT)
    source = record(framed(value_id, written(EVENT, VALUE)), key=framed(key_id, b"\x04u1"))
    registry = registry_of(server)
    await registry.load([source] * 1000)
    await registry.load([source] * 1000)
    assert sorted(server.requests) == ["GET /schemas/ids/1", "GET /schemas/ids/2"]


async def test_references_of_references(server: RegistryServer) -> None:
    def reference(name: str, subject: str) -> dict[str, Any]:
        return {"name": name, "subject": subject, "version": 1}

    id_schema = {"type": "record", "name": "shop.Id", "fields": [{"name": "text", "type": "string"}]}
    user = {"type": "record", "name": "shop.User", "fields": [{"name": "id", "type": "shop.Id"}]}
    event = {
        "type": "record",
        "name": "Event",
        "fields": [{"name": "a", "type": "shop.User"}, {"name": "b", "type": "shop.Id"}],
    }
    server.add("id", id_schema)
    server.add("user", user, references=[reference("shop.Id", "id")])
    avro = server.add("event", event, references=[reference("shop.User", "user"), reference("shop.Id", "id")])
    server.add("proto/id", 'syntax = "proto3"; message Id { string text = 1; }', "PROTOBUF")
    server.add(
        "proto/user",
        'syntax = "proto3"; import "id.proto"; message User { Id id = 1; }',
        "PROTOBUF",
        [reference("id.proto", "proto/id")],
    )
    protobuf = server.add(
        "proto/event",
        'syntax = "proto3"; import "a/user.proto"; message Event { User a = 1; }',
        "PROTOBUF",
        [reference("a/user.proto", "proto/user")],
    )
    registry = registry_of(server)
    values = [framed(avro, b"\x04u1\x04u2"), framed(protobuf, b"\0\x0a\x06\x0a\x04\x0a\x02u1")]
    await registry.load_parts(values)
    assert [json.loads(registry.to_json(value)) for value in values] == [
        {"a": {"id": {"text": "u1"}}, "b": {"text": "u2"}},
        {"a": {"id": {"text": "u1"}}},
    ]
    assert server.requests.count("GET /subjects/id/versions/1?deleted=true") == 1
    assert "GET /subjects/proto%2Fuser/versions/1?deleted=true" in server.requests


async def test_a_schema_that_is_not_there_is_asked_for_again_after_a_while(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, source = registry_of(server), record(framed(1, written(EVENT, VALUE)))
    rejected = await reason_of(registry, source)
    assert (rejected.code, rejected.message) == (
        "unknown_schema_id",
        "no schema has the id 1 that the record begins with: the registry answers 404 Schema 1 not found",
    )
    server.add("v", EVENT)
    assert (await reason_of(registry, source)).code == "unknown_schema_id"
    assert len(server.requests) == 1
    monkeypatch.setattr("streams.registry.schema_registry._ASK_AGAIN_S", 0.0)
    registry = registry_of(server)
    server.schemas.clear()
    assert (await reason_of(registry, source)).code == "unknown_schema_id"
    server.add("v", EVENT)
    assert (await event_of(registry, source)).item_id == "i9"


async def test_schemas_that_cannot_be_used_name_their_id(server: RegistryServer) -> None:
    registry = registry_of(server)
    missing = [{"name": "shop.User", "subject": "user", "version": 3}]
    for schema, kind, references, message in (
        ("{", "AVRO", [], "schema id 1: its Avro schema cannot be read: "),
        ("x", "PROTOBUF", [], "schema id 2: its Protobuf schema does not compile: "),
        ("x", "THRIFT", [], "schema id 3: is THRIFT: only AVRO, PROTOBUF and JSON are read"),
        (
            '"string"',
            "AVRO",
            missing,
            "schema id 4: it refers to version 3 of user, for which the registry answers 404 ",
        ),
    ):
        value = framed(server.add("v", schema, kind, references), b"\x04u1")
        rejected = await reason_of(registry, record(value))
        assert rejected.code == "unusable_schema"
        assert rejected.message.startswith(message)
    value = framed(server.add("v", '"long"'), b"")
    rejected = await reason_of(registry, record(value))
    assert (rejected.code, rejected.message[:12]) == ("schema_mismatch", "schema id 5:")


@pytest.mark.parametrize("value", [b"\0", b"\0\0\0\0", framed(2**31, b"x"), framed(2**32 - 1, b"")])
async def test_what_only_begins_like_the_wire_format(server: RegistryServer, value: bytes) -> None:
    rejected = await reason_of(registry_of(server), record(value))
    assert rejected.code == ("schema_mismatch" if len(value) < 5 else "unknown_schema_id")
    assert server.requests == []


async def test_records_that_no_client_decodes_are_not_looked_at(server: RegistryServer) -> None:
    broken = UndecodableRecord(
        "user-events", 0, 0, 0, 0, None, framed(1, b""), None, 0, 0, (), code="corrupt_batch", message=""
    )
    await registry_of(server).load([broken])
    assert server.requests == []


async def test_without_a_registry_the_reason_names_the_setting() -> None:
    _, rejected = decode(record(framed(1, b"\x04u1")))
    assert rejected is not None
    assert "it begins like Confluent's wire format; set registry.url to read it" in rejected.message
    _, rejected = decode(record(CLICK, key=framed(1, b"\x04u1")))
    assert rejected is not None
    assert "it begins like Confluent's wire format; set registry.url to read it" in rejected.message


async def test_a_record_is_as_large_as_it_was_sent(server: RegistryServer) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "double"}}]}
    value = framed(server.add("v", schema), written(schema, {"a": [0.123456789012345] * 100}))
    registry = registry_of(server)
    await registry.load_parts([value])
    rules = SchemaRules(transcoder=registry)
    sizes: Sequence[tuple[int, str]] = ((len(value) - 1, "record_too_large"), (len(value), "missing_field"))
    for max_bytes, code in sizes:
        _, rejected = decode(record(value), max_bytes, rules)
        assert rejected is not None
        assert rejected.code == code


async def test_items_of_the_catalog(server: RegistryServer) -> None:
    schema = {
        "type": "record",
        "name": "Item",
        "fields": [
            {"name": "title", "type": "string"},
            {"name": "categories", "type": {"type": "array", "items": "string"}},
        ],
    }
    key = framed(server.add("k", '"string"'), b"\x04i1")
    value = framed(server.add("v", schema), written(schema, {"title": "T", "categories": ["A"]}))
    registry = registry_of(server)
    described, deleted = record(value, key=key), record(None, key=key)
    await registry.load([described, deleted])
    item = decode_item(described, transcoder=registry)
    assert not isinstance(item, ItemDelete)
    assert (item.item_id, item.title, item.categories) == ("i1", "T", ("A",))
    assert decode_item(deleted, transcoder=registry) == ItemDelete("i1")
    unknown = record(framed(9, b""), key=key)
    await registry.load([unknown])
    with pytest.raises(Rejected, match="unknown_schema_id"):
        decode_item(unknown, transcoder=registry)


async def test_no_registry_is_set() -> None:
    assert await connect_registry(RegistrySettings()) is None


async def test_a_connection_is_checked(server: RegistryServer) -> None:
    assert await connect_registry(RegistrySettings(url=server.url)) is not None
    assert server.requests == ["GET /schemas/types"]
    server.failures = [500] * 100
    with pytest.raises(RegistryError, match="has not answered for 0 s"):
        await connect_registry(RegistrySettings(url=server.url, max_wait_s=0))
