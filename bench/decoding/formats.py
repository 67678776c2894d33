"""One event in every format, and its schemas."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from typing import Any, Final

import fastavro
import orjson
from aiokafka import ConsumerRecord
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from streams.registry.avro import AvroDecoder
from streams.registry.protobuf import ProtobufDecoder
from streams.registry.protobuf_schema import file_descriptor
from streams.registry.schema_registry import JsonDecoder, PayloadDecoder

Record = ConsumerRecord[bytes, bytes]

EVENT: Final[dict[str, Any]] = {
    "user_id": "user-12345",
    "event_type": "click",
    "item_id": "item-67890",
    "timestamp": 1_731_900_000_123,
    "event_id": "01JCYH3V5W8Q9X2Z4B6D8F0G1H",
    "value": 3.5,
}
_CAMEL_CASE: Final = {
    "userId": EVENT["user_id"], "eventType": EVENT["event_type"], "itemId": EVENT["item_id"],
    "sentAt": "2024-11-18T03:20:00.123Z", "eventId": EVENT["event_id"], "eventValue": EVENT["value"],
}  # fmt: skip
_AVRO: Final = {
    "type": "record",
    "name": "UserEvent",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "event_type", "type": {"type": "enum", "name": "EventType", "symbols": ["view", "click"]}},
        {"name": "item_id", "type": ["null", "string"], "default": None},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "event_id", "type": ["null", "string"], "default": None},
        {"name": "value", "type": ["null", "double"], "default": None},
    ],
}
_PROTOBUF: Final = """
    syntax = "proto3";
    import "google/protobuf/timestamp.proto";
    enum EventType { EVENT_TYPE_VIEW = 0; EVENT_TYPE_CLICK = 1; }
    message UserEvent {
      string user_id = 1; EventType event_type = 2; string item_id = 3; google.protobuf.Timestamp timestamp = 4;
      string event_id = 5; double value = 6;
    }
"""


@dataclass(frozen=True)
class LocalSchemas:
    """The schemas by id, without a registry: what `streams.schema.parsing.wire_format.Transcoder` asks for."""

    decoders: dict[int, PayloadDecoder]

    async def load(self, _: object) -> None:
        """All are here."""

    def to_json(self, framed: bytes) -> bytes:
        """The JSON text of a key or value."""
        return self.decoders[int.from_bytes(framed[1:5])].to_json(framed[5:])


def schemas() -> LocalSchemas:
    """Those of the records below."""
    return LocalSchemas(
        {
            1: AvroDecoder(json.dumps(_AVRO)),
            2: ProtobufDecoder(file_descriptor(_PROTOBUF, {})),
            3: JsonDecoder(),
            4: AvroDecoder('"string"'),
        }
    )


def records() -> dict[str, Record]:
    """The event by format."""
    avro, key = io.BytesIO(), io.BytesIO()
    fastavro.schemaless_writer(avro, fastavro.parse_schema(_AVRO), EVENT)
    fastavro.schemaless_writer(key, "string", EVENT["user_id"])
    message: Any = GetMessageClass(file_descriptor(_PROTOBUF, {}).message_types_by_name["UserEvent"])()
    ParseDict(EVENT | {"event_type": "EVENT_TYPE_CLICK", "timestamp": _CAMEL_CASE["sentAt"]}, message)
    framed_avro = _framed(1, avro.getvalue())
    return {
        "JSON, canonical": _record(orjson.dumps(EVENT)),
        "JSON, camelCase, ISO-8601": _record(orjson.dumps(_CAMEL_CASE)),
        "JSON Schema": _record(_framed(3, orjson.dumps(EVENT))),
        "Avro": _record(framed_avro),
        "Avro, and an Avro string for key": _record(framed_avro, _framed(4, key.getvalue())),
        "Protobuf": _record(_framed(2, b"\0" + message.SerializeToString())),
    }


def _framed(schema_id: int, payload: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + payload


def _record(value: bytes, key: bytes | None = None) -> Record:
    key = str(EVENT["user_id"]).encode() if key is None else key
    return ConsumerRecord("user-events", 0, 7, int(EVENT["timestamp"]), 0, key, value, None, len(key), len(value), ())
