"""Which events of a dead letter a replay sends."""

import orjson

from streams.errors import Rejected
from streams.schema.dead_letters.reader import Letter, letter_of
from streams.schema.decoder import BUILT_IN_RULES, SchemaRules, decode
from streams.schema.events import UserEvent
from streams.settings.sections import EventSettings
from streams.worker.dead_letter_replay import letter_events
from tests.records import record
from tests.unit.streams.schema.dead_letters.test_reader import letter_record

MOST = 1 << 20
FIELDS = {"user_id": "u", "event_type": "click", "timestamp": 1_731_900_000_000}


def refused(value: object, key: bytes = b"u", rules: SchemaRules = BUILT_IN_RULES) -> Letter:
    source = record(991, orjson.dumps(value), key, partition=3)
    _, rejected = decode(source, MOST, rules)
    assert rejected is not None
    letter = letter_of(letter_record(source, rejected))
    assert letter is not None
    return letter


def test_a_letter_whose_fault_is_mended_gives_its_event_with_the_id_it_had() -> None:
    letter = refused({"user_id": "u", "event_type": "click", "timestamp": 1_731_900_000_000, "sku": "i1"})
    assert letter_events(letter, BUILT_IN_RULES, MOST) == ([], "missing_field")
    (event,), reason = letter_events(letter, SchemaRules.of(EventSettings(map={"item": "sku"})), MOST)
    assert reason is None
    assert isinstance(event, UserEvent)
    assert (event.item_id, event.event_id) == ("i1", "user-events:3:991")


def test_of_a_record_of_several_only_the_refused_events_are_sent() -> None:
    letter = refused([FIELDS | {"item_id": "a"}, FIELDS | {"sku": "b"}, FIELDS | {"item_id": "c"}])
    rules = SchemaRules.of(EventSettings(map={"item": "sku"}))
    events, reason = letter_events(letter, rules, MOST)
    assert reason is None
    assert [event.event_id for event in events if isinstance(event, UserEvent)] == ["user-events:3:991:1"]


def test_an_event_beside_the_refused_one_does_not_hold_it_back() -> None:
    letter = refused([FIELDS | {"item_id": "a"}, FIELDS | {"sku": "b"}])
    assert letter.events == (1,)
    assert letter_events(letter, BUILT_IN_RULES, MOST) == ([], "missing_field")


def test_what_the_settings_leave_out_now_is_neither_sent_nor_refused() -> None:
    letter = refused(FIELDS)
    rules = SchemaRules.of(EventSettings(types={"click": "ignore"}))
    assert letter_events(letter, rules, MOST) == ([], None)


def test_a_letter_of_capacity_is_sent_once_there_is_room() -> None:
    letter = letter_of(letter_record(record(5, FIELDS | {"item_id": "a"}), Rejected("unknown_schema_id", "not there")))
    assert letter is not None
    events, reason = letter_events(letter, BUILT_IN_RULES, MOST)
    assert (len(events), reason) == (1, None)
