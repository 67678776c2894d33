"""Records of user-events as producers may write them, and what becomes of them."""

import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from streams.errors import Rejected
from streams.schema.events import UserEvent, decode
from streams.schema.record import Record

NOW = 1_731_900_000_500
CLICK = {"event_id": "e1", "event_type": "click", "user_id": "u1", "item_id": "i9", "timestamp": 1_731_900_000_123}


def record(
    value: dict[str, Any] | bytes | None,
    key: bytes | None = b"u1",
    headers: tuple[tuple[str, bytes], ...] = (),
    timestamp: int = NOW,
) -> Record:
    if isinstance(value, dict):
        value = json.dumps(value).encode()
    return ConsumerRecord("user-events", 3, 991, timestamp, 0, key, value, None, 0, 0, headers)


def user_event(value: dict[str, Any] | bytes, **parts: Any) -> UserEvent:
    event = decode(record(value, **parts))
    assert isinstance(event, UserEvent)
    return event


def rejection(value: dict[str, Any] | bytes | None, **parts: Any) -> Rejected:
    with pytest.raises(Rejected) as error:
        decode(record(value, **parts))
    return error.value
