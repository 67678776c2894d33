"""What settings say of schemas."""

from streams.schema.adapters.registry import FORMATS
from streams.schema.decoder import SchemaRules, decode
from streams.schema.event_encoder import canonical_headers, encode_event
from streams.schema.events import UserEvent
from streams.settings.sections import EventSettings
from tests.unit.streams.decoding import CLICK, NOW, events_of, record, user_event


def test_one_format_alone_may_be_accepted() -> None:
    feedback = {"FeedbackType": "star", "UserId": "u1", "ItemId": "i9", "Timestamp": NOW}
    both = feedback | {"event_type": "click", "user_id": "u1", "item_id": "i2", "timestamp": NOW}
    gorse, canonical = (SchemaRules(adapter=FORMATS[name]) for name in ("gorse", "canonical"))
    assert events_of(both) == events_of(both, rules=canonical)
    assert events_of(both, rules=gorse) == events_of(feedback) != events_of(both)
    (_, rejected) = decode(record(CLICK), rules=gorse)
    assert rejected is not None
    assert (rejected.code, rejected.message) == (
        "wrong_format",
        "this is no event of Gorse, the only format that is accepted here",
    )
    assert events_of(CLICK, rules=canonical) == [user_event(CLICK)]


def test_settings_are_applied_once() -> None:
    settings = EventSettings({"user": "item_id", "item": "user_id"}, {"click": "view", "view": "ignore"})
    rules = SchemaRules.of(settings)
    (event,) = events_of(CLICK, rules=rules, key=b"i9")
    assert isinstance(event, UserEvent)
    assert (event.user_id, event.item_id, event.event_type) == ("i9", "u1", "view")
    value, headers = encode_event(event), tuple(canonical_headers(settings))
    assert events_of(value, rules=rules, key=b"i9", headers=headers) == [event]
    assert not events_of(value, rules=rules, key=b"u1")  # a view, which is left out
    assert canonical_headers(EventSettings()) == []
