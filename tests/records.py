"""Records as aiokafka returns them."""

from collections.abc import Sequence

import orjson
from aiokafka import ConsumerRecord

from streams.kafka.faust_transport import RecordBatch
from tests.inputs import FIRST_MS, fields

RECORD_MS = FIRST_MS + 500
"""The broker's time of a record."""


def consumer_record(
    value: bytes | None,
    key: bytes | None = b"u1",
    headers: Sequence[tuple[str, bytes]] = (),
    *,
    topic: str = "user-events",
    partition: int = 3,
    offset: int = 991,
    timestamp: int = RECORD_MS,
) -> "ConsumerRecord[bytes, bytes]":
    """One record, by default of user-events."""
    return ConsumerRecord(topic, partition, offset, timestamp, 0, key, value, None, 0, len(value or b""), headers)


def record(offset: int, value: object, key: bytes | None = None, partition: int = 0) -> "ConsumerRecord[bytes, bytes]":
    """A record of user-events; a dict is sent as JSON, keyed by its user_id."""
    if isinstance(value, dict):
        key = str(value.get("user_id", "")).encode() if key is None else key
        value = orjson.dumps(value)
    assert value is None or isinstance(value, bytes)
    return consumer_record(value, key, partition=partition, offset=offset, timestamp=FIRST_MS)


def click(offset: int, user: str, item: str = "i1", partition: int = 0) -> "ConsumerRecord[bytes, bytes]":
    """A click whose event id and time follow from its offset."""
    return record(offset, fields(user, offset, item), partition=partition)


def batch(*records: "ConsumerRecord[bytes, bytes]") -> RecordBatch:
    """One fetch."""
    return RecordBatch(records[0].partition, list(records))
