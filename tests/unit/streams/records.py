"""Source records as aiokafka hands them out."""

import orjson
from aiokafka import ConsumerRecord

from streams.kafka.faust_transport import RecordBatch


def record(offset: int, value: object, key: bytes | None = None, partition: int = 0) -> "ConsumerRecord[bytes, bytes]":
    """A record of user-events; a dict is sent as JSON, keyed by its user_id."""
    if isinstance(value, dict):
        key = str(value.get("user_id", "")).encode() if key is None else key
        value = orjson.dumps(value)
    assert value is None or isinstance(value, bytes)
    size = len(value or b"")
    return ConsumerRecord("user-events", partition, offset, 1_731_900_000_000, 0, key, value, None, 0, size, ())


def click(offset: int, user: str, item: str = "i1", partition: int = 0) -> "ConsumerRecord[bytes, bytes]":
    """A click whose event id and time follow from its offset."""
    fields = {"user_id": user, "event_type": "click", "item_id": item, "event_id": f"e{offset}"}
    return record(offset, fields | {"timestamp": 1_731_900_000_000 + offset * 1000}, partition=partition)


def batch(*records: "ConsumerRecord[bytes, bytes]") -> RecordBatch:
    """One fetch."""
    return RecordBatch(records[0].partition, list(records))
