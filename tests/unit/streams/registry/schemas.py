"""Records in the wire format, and what becomes of them."""

import struct
from typing import Any

from streams.errors import Rejected
from streams.registry.schema_registry import SchemaRegistry
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import UserEvent
from streams.schema.parsing.field_map import FieldMap
from streams.schema.record import Record
from streams.settings.registry_section import RegistrySettings
from tests.registry_server import RegistryServer

TIME = 1_731_900_000_123
VALUE = {"user_id": "u1", "event_type": "click", "item_id": "i9", "timestamp": TIME, "value": 3.5}


def framed(schema_id: int, payload: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + payload


def registry_of(server: RegistryServer, **settings: Any) -> SchemaRegistry:
    return SchemaRegistry(RegistrySettings(url=server.url, **settings))


async def event_of(registry: SchemaRegistry, source: Record, field_map: FieldMap | None = None) -> UserEvent:
    await registry.load([source])
    (event,), rejected = decode(source, rules=SchemaRules(field_map, transcoder=registry))
    assert rejected is None
    assert isinstance(event, UserEvent)
    return event


async def reason_of(registry: SchemaRegistry, source: Record) -> Rejected:
    await registry.load([source])
    events, rejected = decode(source, rules=SchemaRules(transcoder=registry))
    assert rejected is not None
    assert not any(events)
    return rejected
