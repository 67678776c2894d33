"""Keys and values as producers with Confluent's own serializers send them, by two versions of each schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

Event = dict[str, Any]
"""Fields of an event; the timestamp is epoch ms"""
Serialize = Callable[[Event, int], tuple[bytes, bytes]]
"""Key and value of an event, by version 0 or 1 of the schema"""


def serializer_of(kind: str, client: SchemaRegistryClient, topic: str, folder: Path) -> Serialize:
    """The serializer for "avro", "json" or "protobuf", which registers its schemas under the topic's subjects."""
    key_context = SerializationContext(topic, MessageField.KEY)
    value_context = SerializationContext(topic, MessageField.VALUE)
    make = {"avro": _avro, "json": _json, "protobuf": _protobuf}[kind]
    key_of, values_of = make(client, folder)

    def serialize(event: Event, version: int) -> tuple[bytes, bytes]:
        key, value = key_of(event["user_id"], key_context), values_of[version](event, value_context)
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        return key, value

    return serialize


def _avro(client: SchemaRegistryClient, _: Path) -> tuple[Any, list[Any]]:
    """The key is a string; the second version adds a text, and the time in microseconds."""

    def schema(unit: str, *more: dict[str, Any]) -> str:
        decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
        fields = [
            {"name": "user_id", "type": "string"},
            {"name": "event_type", "type": {"type": "enum", "name": "EventType", "symbols": ["VIEW", "CLICK", "BUY"]}},
            {"name": "item_id", "type": ["null", "string"], "default": None},
            {"name": "timestamp", "type": {"type": "long", "logicalType": f"timestamp-{unit}"}},
            {"name": "event_id", "type": ["null", "string"], "default": None},
            {"name": "value", "type": ["null", decimal]},
        ]
        record = {"type": "record", "name": "UserEvent", "namespace": "shop", "fields": [*fields, *more]}
        return json.dumps(record)

    first = AvroSerializer(client, schema("millis"))
    text = {"name": "text", "type": ["null", "string"], "default": None}
    second = AvroSerializer(
        client, schema("micros", text), lambda event, _: event | {"timestamp": event["timestamp"] * 1000}
    )
    return AvroSerializer(client, '"string"'), [first, second]


def _json(client: SchemaRegistryClient, _: Path) -> tuple[Any, list[Any]]:
    """The key is a JSON string; the second version adds a text."""
    properties = {
        **{name: {"type": "string"} for name in ("user_id", "event_type", "item_id", "event_id")},
        **{name: {"type": "number"} for name in ("timestamp", "value")},
    }
    base = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "UserEvent", "type": "object"}
    schemas = [base | {"properties": properties}, base | {"properties": properties | {"text": {"type": "string"}}}]

    def plain(event: Event, _: Any) -> Event:
        return event | {"value": float(event["value"])}

    key = JSONSerializer(json.dumps({**base, "title": "Key", "type": "string"}), client)
    return key, [JSONSerializer(json.dumps(schema), client, plain) for schema in schemas]


def _protobuf(client: SchemaRegistryClient, folder: Path) -> tuple[Any, list[Any]]:
    """The key is a message; values import another file, and are the second message of theirs."""
    values = []
    for version in (0, 1):
        file = _compiled(folder, version)
        message = GetMessageClass(file.message_types_by_name["UserEvent"])
        serializer = ProtobufSerializer(message, client)
        values.append(lambda event, context, m=message, s=serializer: s(_message(m, event), context))
        key_message = GetMessageClass(file.message_types_by_name["Key"])
    key_serializer = ProtobufSerializer(key_message, client)
    return lambda user, context: key_serializer(key_message(user=user), context), values


def _message(message: Any, event: Event) -> Any:
    fields = {name: event[name] for name in ("item_id", "event_id", "text") if event.get(name) is not None}
    fields |= {"event_type": f"EVENT_TYPE_{event['event_type']}", "value": float(event["value"])}
    made = ParseDict(fields, message())
    made.user.id = event["user_id"]
    made.timestamp.FromMilliseconds(event["timestamp"])
    return made


def _compiled(folder: Path, version: int) -> Any:
    """The file descriptor of this version, as protoc makes it of sources in the folder."""
    sources = folder / f"v{version}"
    (sources / "shop").mkdir(parents=True)
    (sources / "shop" / "user.proto").write_text('syntax = "proto3"; package shop; message User { string id = 1; }')
    (sources / "event.proto").write_text(
        f"""
        syntax = "proto3";
        package shop.v1;
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        import "shop/user.proto";
        enum EventType {{ EVENT_TYPE_VIEW = 0; EVENT_TYPE_CLICK = 1; EVENT_TYPE_BUY = 2; }}
        message Key {{ string user = 1; }}
        message UserEvent {{
          shop.User user = 1;
          EventType event_type = 2;
          string item_id = 3;
          google.protobuf.Timestamp timestamp = 4;
          string event_id = 5;
          google.protobuf.DoubleValue value = 6;
          {"optional string text = 7;" if version else ""}
        }}
        """
    )
    well_known = Path(protoc.__file__).with_name("_proto")
    arguments = ["", f"-I{sources}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={sources}/set"]
    assert protoc.main([*arguments, "event.proto"]) == 0
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((sources / "set").read_bytes()).file:
        pool.Add(file)
    return pool.FindFileByName("event.proto")
