"""Events of a request's body, as records of `user-events`: decoded as a worker would, and written in canonical form."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import msgspec

from streams.errors import Rejected
from streams.schema.decoder import SchemaRules, decode
from streams.schema.event_encoder import encode_event
from streams.schema.events import UserDelete, key_of
from streams.schema.parsing.wire_format import PlainRecord
from streams.web.http.problems import Problem

MOST_EVENTS: Final = 10_000
"""Of one request"""
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_VALUE: Final = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, slots=True)
class PostedEvent:
    """What became of an event of the body: a record, or why there is none."""

    index: int  # of the body's element
    record: tuple[bytes, bytes] | None = None
    fault: Rejected | None = None
    forbidden: bool = False  # the token may not erase users


def read_events(body: bytes, rules: SchemaRules, max_bytes: int, may_erase: bool) -> list[PostedEvent]:
    """The events of a body: one element or an array of them, each in any accepted schema.

    An element that holds no event of interest gives an entry without record and fault. Raises Problem where the body is
    no JSON.
    """
    request, now_ms = f"http-{uuid4()}", int(time.time() * 1000)
    posted: list[PostedEvent] = []
    for index, element in enumerate(_elements(body)):
        # The position stands in for an event's id where it has none.
        record = PlainRecord(request, 0, index, now_ms, None, element, ())
        events, rejected = decode(record, max_bytes, rules)
        before = len(posted)
        for event in events:
            if event is None:
                continue
            if isinstance(event, UserDelete) and not may_erase:
                posted.append(PostedEvent(index, forbidden=True))
                continue
            value = encode_event(event)
            if len(value) > max_bytes:
                fault = Rejected("record_too_large", f"{len(value)} bytes in canonical form (kafka.max_record_bytes)")
                posted.append(PostedEvent(index, fault=fault))
            else:
                posted.append(PostedEvent(index, (key_of(event), value)))
        if rejected is not None:
            posted.append(PostedEvent(index, fault=rejected))
        elif len(posted) == before:
            posted.append(PostedEvent(index))
    return posted


def erasure(user_id: str) -> tuple[bytes, bytes]:
    """The record that erases a user. Raises Rejected for an id that no user can have."""
    event = UserDelete(user_id, "user.delete", int(time.time() * 1000), f"http-{uuid4()}")
    value = encode_event(event)
    _, rejected = decode(PlainRecord("http", 0, 0, event.time_ms, user_id.encode(), value, ()))
    if rejected is not None:
        raise rejected
    return user_id.encode(), value


def _elements(body: bytes) -> list[bytes]:
    try:
        raws = _ARRAY(body) if body.lstrip()[:1] == b"[" else [_VALUE(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {error}") from error
    if not 0 < len(raws) <= MOST_EVENTS:
        raise Problem(400, f"a body holds 1 to {MOST_EVENTS} events")
    return [bytes(raw) for raw in raws]
