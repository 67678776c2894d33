"""Amazon Personalize: the request of PutEvents ("Amazon Personalize Events, PutEvents").

Its `eventList` holds events without user and session. A single event, in camelCase, is canonical.
"""

from typing import Final

from streams.schema.adapters import canonical
from streams.schema.adapters.adapter import Adapter, Canonical, Fields, Headers, as_objects, first
from streams.schema.record import Record


def _matches(fields: Fields, headers: Headers) -> bool:
    return isinstance(fields.get("eventList"), list)


def _events(fields: Fields, record: Record) -> list[Canonical]:
    shared = {"user_id": first(fields, "userId"), "session_id": first(fields, "sessionId")}
    return [shared | event for entry in as_objects(fields["eventList"]) for event in canonical.events(entry, record)]


ADAPTER: Final = Adapter("Amazon Personalize PutEvents", _matches, _events)
