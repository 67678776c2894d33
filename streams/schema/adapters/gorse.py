"""Gorse: a feedback of its REST API ("Gorse, Feedback"), alone or in an array."""

from typing import Final

from streams.schema.adapters.adapter import Adapter, Canonical, Fields, Headers
from streams.schema.record import Record


def _matches(fields: Fields, headers: Headers) -> bool:
    return "FeedbackType" in fields and "UserId" in fields


def _events(fields: Fields, record: Record) -> list[Canonical]:
    event = {
        "user_id": fields["UserId"],
        "event_type": fields["FeedbackType"],
        "item_id": fields.get("ItemId"),
        "timestamp": fields.get("Timestamp"),
        "value": fields.get("Value"),
        "text": fields.get("Comment"),
    }
    return [event]


ADAPTER: Final = Adapter("Gorse", _matches, _events)
