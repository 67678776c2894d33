"""What records of other topics become: canonical records by user, and dead letters."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import orjson
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from streams.ingest.converter import Converted, EventConverter
from streams.kafka.reader import partition_of
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.adapters.registry import FORMATS
from streams.schema.dead_letters.reader import letter_of
from streams.schema.decoder import SchemaRules, decode
from streams.schema.event_encoder import CANONICAL_HEADER
from streams.schema.events import UserEvent
from streams.settings.sections import EventSettings, KafkaSettings
from streams.settings.settings import Settings

NOW = 1_731_900_000_500
CLICK = {"user_id": "u1", "event_type": "click", "item_id": "i1", "timestamp": 1_731_900_000_123}
EVENTS, LETTERS = "user-events", "user-events-dlq"


def record(
    offset: int, value: Any, key: bytes | None = None, partition: int = 5, timestamp: int = NOW
) -> ConsumerRecord[bytes, bytes]:
    encoded = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return ConsumerRecord("orders", partition, offset, timestamp, 0, key, encoded, None, 0, 0, (("trace", b"x"),))


def convert(
    *records: ConsumerRecord[bytes, bytes], settings: Settings | None = None, rules: SchemaRules | None = None
) -> Converted:
    settings = settings or Settings()
    rules = rules or dataclasses.replace(SchemaRules.of(settings.events), check_key=False)
    return EventConverter(settings, rules, 4, 3).convert([list(records)])


def written(converted: Converted) -> dict[TopicPartition, list[dict[str, Any]]]:
    return {
        tp: [orjson.loads(r.value or b"") for r in records]
        for tp, records in converted.records.items()
        if tp.topic == EVENTS
    }


def test_an_event_goes_to_the_partition_of_its_user_with_its_position_as_id() -> None:
    users = [f"u{number}" for number in range(20)]
    records = (record(n, CLICK | {"user_id": user}, key=b"session") for n, user in enumerate(users))
    converted = convert(*records)
    for tp, part in converted.records.items():
        assert tp.topic == EVENTS
        for sent in part:
            event = orjson.loads(sent.value or b"")
            assert sent.key == event["user_id"].encode()
            assert partition_of(sent.key or b"", 4) == tp.partition
            assert event == CLICK | {
                "user_id": event["user_id"],
                "event_id": f"orders:5:{users.index(event['user_id'])}",
            }
            assert not sent.headers
    assert sum(map(len, converted.records.values())) == converted.counts.events == converted.counts.records == 20


def test_what_is_written_decodes_to_the_same_events_once_it_lies_in_the_input() -> None:
    values = [
        CLICK | {"timestamp": 86_400_000 / 1000, "value": 3, "properties": {"a": [1]}},
        CLICK | {"timestamp": "1960-02-03T04:05:06Z", "text": "ä"},
        {"type": "track", "event": "Order Completed", "userId": 7, "timestamp": NOW, "messageId": "m"}
        | {"properties": {"products": [{"sku": "a"}, {"sku": "b", "price": 2}]}},
    ]
    for offset, value in enumerate(values):
        source = record(offset, value)
        expected, _ = decode(source, rules=SchemaRules(check_key=False))
        decoded = [
            decode(ConsumerRecord(EVENTS, 0, 9, NOW + 10, 1, sent.key, sent.value, None, 0, 0, tuple(sent.headers)))
            for part in convert(source).records.values()
            for sent in part
        ]
        assert [event for (event,), _ in decoded] == list(expected)
        assert all(isinstance(event, UserEvent) for event in expected)


def test_of_several_events_the_usable_ones_are_written_and_the_record_is_one_dead_letter() -> None:
    source = record(8, [CLICK, CLICK | {"item_id": None}, CLICK | {"user_id": "u2"}, 5], key=b"\xff")
    converted = convert(source)
    ids = {event["event_id"] for part in written(converted).values() for event in part}
    assert ids == {"orders:5:8:0", "orders:5:8:2"}
    (letter,) = converted.records[TopicPartition(LETTERS, 5 % 3)]
    assert (letter.key, letter.value, letter.timestamp_ms) == (source.key, source.value, NOW)
    read = letter_of(ConsumerRecord(LETTERS, 2, 0, NOW, 0, letter.key, letter.value, None, 0, 0, tuple(letter.headers)))
    assert read is not None
    assert (read.topic, read.partition, read.offset, read.reason, read.events) == (
        "orders",
        5,
        8,
        "missing_field",
        (1, 3),
    )
    assert read.headers == [("trace", b"x")]
    assert (converted.counts.events, converted.counts.rejected) == (2, {"missing_field": 1})


def test_records_that_cannot_be_used_are_dead_letters_in_order() -> None:
    broken = UndecodableRecord("orders", 5, 3, -1, 0, None, b"raw", None, -1, 3, (), "corrupt_batch", "wrong checksum")
    converted = convert(
        record(0, b"{"), record(1, None), record(2, CLICK), broken, record(4, CLICK | {"user_id": "\0u"})
    )
    reasons = [
        dict(letter.headers)["interest.error.reason"] for letter in converted.records[TopicPartition(LETTERS, 2)]
    ]
    assert reasons == [b"not_json", b"null_value", b"corrupt_batch", b"reserved_id"]
    assert converted.counts.records == 5
    assert converted.counts.events == 1


def test_control_records_pass_through() -> None:
    converted = convert(
        record(0, {"event_type": "user.delete", "user_id": "u1"}),
        record(1, {"event_type": "item.upsert", "item_id": 7, "title": "T", "categories": "c"}),
        record(2, {"event_type": "item.delete", "item_id": "7"}),
    )
    by_key = {sent.key: orjson.loads(sent.value or b"") for part in converted.records.values() for sent in part}
    assert by_key[b"u1"] == {
        "user_id": "u1",
        "event_type": "user.delete",
        "timestamp": NOW,
        "event_id": "orders:5:0",
    }
    (partition,) = {tp.partition for tp, part in converted.records.items() if part[0].key == b"7"}
    item = converted.records[TopicPartition(EVENTS, partition)]
    decoded = [decode(ConsumerRecord(EVENTS, 0, 0, NOW, 0, r.key, r.value, None, 0, 0, ()))[0][0] for r in item]
    assert [event.event_type for event in decoded if event is not None] == ["item.upsert", "item.delete"]
    assert converted.counts.events == 3


def test_what_is_of_no_interest_is_counted() -> None:
    settings = Settings(events=EventSettings(types={"click": "ignore"}))
    converted = convert(record(0, CLICK), record(1, {"type": "identify", "userId": "u"}), settings=settings)
    assert (converted.records, converted.counts.left_out, converted.counts.events) == ({}, 2, 0)
    assert converted.counts.notes.without_event == {"Segment 'identify'": 1}


def test_events_read_by_settings_are_marked_as_such() -> None:
    settings = Settings(events=EventSettings(map={"item": "sku"}))
    source = {name: value for name, value in CLICK.items() if name != "item_id"} | {"sku": "s1"}
    ((sent,),) = convert(record(0, source), settings=settings).records.values()
    assert orjson.loads(sent.value or b"")["item_id"] == "s1"
    assert [name for name, _ in sent.headers] == [CANONICAL_HEADER]


def test_one_format_is_forced_on_all_records() -> None:
    rules = SchemaRules(check_key=False, adapter=FORMATS["gorse"])
    feedback = {"FeedbackType": "star", "UserId": "u1", "ItemId": "i1", "Timestamp": NOW}
    converted = convert(record(0, CLICK), record(1, CLICK | feedback), rules=rules)
    assert converted.counts.rejected == {"wrong_format": 1}
    ((event,),) = written(converted).values()
    assert (event["event_type"], event["event_id"]) == ("like", "orders:5:1")


def test_an_event_that_grows_beyond_what_workers_read_is_a_dead_letter() -> None:
    settings = Settings(kafka=KafkaSettings(max_record_bytes=1024))
    growing = CLICK | {"colour": "red", "properties": {"n": [1] * 150}}
    value = json.dumps(growing).replace("1, ", "1e5,").encode()  # which is written as 100000.0
    assert len(value) < 900
    beside = b"[%b,%b]" % (value, json.dumps(CLICK).encode())
    converted = convert(record(0, value), record(1, beside), settings=settings)
    assert converted.counts.rejected == {"record_too_large": 2}
    letters = [dict(letter.headers) for letter in converted.records[TopicPartition(LETTERS, 2)]]
    assert letters[0]["interest.error.message"].endswith(b" bytes in canonical form (kafka.max_record_bytes)")
    assert letters[1]["interest.error.message"].startswith(b"event 0 of 2: ")
    assert letters[1]["interest.error.events"] == b"0"
    assert converted.counts.events == 1


def test_a_record_never_becomes_more_than_some_of_the_largest_records() -> None:
    products = [{"sku": f"p{number}"} for number in range(1500)]
    review = {"type": "track", "event": "Product Reviewed", "userId": "u1", "timestamp": NOW}
    large, small = (
        review | {"properties": {"review_body": "x" * size, "products": products}} for size in (30_000, 300)
    )
    assert convert(record(0, large)).counts.rejected == {"record_too_large": 1}
    assert convert(record(0, small)).counts.events == 1500
