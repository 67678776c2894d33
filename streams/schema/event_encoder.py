"""Encoder of `user-events`: an event as the record value that decodes to it again."""

from typing import Final

import msgspec
from msgspec import Raw

from streams.schema.events import Event, UserDelete, UserEvent, UserUpsert
from streams.schema.parsing.times import SECONDS_BELOW
from streams.settings.sections import EventSettings

CANONICAL_HEADER: Final = "interest.canonical"
"""Of a record whose event the settings, `[events.map]` and `[events.types]`, were applied to: they are not once more"""
_ENCODE: Final = msgspec.json.Encoder().encode
_TIME: Final = "timestamp"
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def canonical_headers(settings: EventSettings) -> list[tuple[str, bytes]]:
    """The headers of records that `encode_event` writes of events that were read by these settings."""
    return [(CANONICAL_HEADER, b"1")] if settings.map or settings.types else []


def encode_event(event: Event) -> bytes:
    """The canonical JSON of the event."""
    value = _ENCODE(event)
    if isinstance(event, UserEvent | UserDelete | UserUpsert) and event.time_ms < SECONDS_BELOW:
        fields = _FIELDS(value)
        if _TIME in fields:
            # Milliseconds near the epoch, or before it, would be read as seconds.
            fields[_TIME] = Raw(_ENCODE(event.time_ms / 1000))
        return _ENCODE(fields)
    return value
