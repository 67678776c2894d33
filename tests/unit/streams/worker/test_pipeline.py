"""Records in, rows and predictions out, on the driver."""

import logging
from collections.abc import Callable

import orjson
import pytest

from streams.schema import predictions
from streams.schema.quality import decode_quality
from streams.worker.unknown_types import MOST_NAMES
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event, events, several


async def test_a_round_trip_equals_the_reference_fold(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 300))
    await worker.apply_all()
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 300
    await worker.stop()


async def test_micro_batches_of_any_size_lead_to_the_same_rows(driver: WorkerDriver) -> None:
    worker = await driver.start()
    for begin, end in ((0, 1), (1, 3), (3, 110), (110, 111)):
        driver.send(events(begin, end))
        await worker.apply_all()
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 111
    await worker.stop()


async def test_network_and_learner_keep_rows_and_predictions_exact(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=None)
    driver.send(events(0, 60))
    await worker.apply_all()
    await driver.check(worker)
    newest = predictions.decode(driver.committed(driver.topics.interest_predictions)[-1].value or b"")
    assert set(newest.items) <= {f"i{number}" for number in range(5)}
    await worker.stop()


async def test_a_deleted_user_is_gone_and_may_come_back(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(event(user, number) for number, user in enumerate(["gone", "back", "stays"] * 5))
    await worker.apply_all()
    # Stored rows deleted, one followed by new events; and users that begin and end within one micro-batch.
    driver.send([delete("gone"), delete("back"), event("back", 100), event("stays", 101)])
    driver.send([event("brief", 102), delete("brief"), event("brief", 103), event("once", 104), delete("once")])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items()} == {"back": 1, "stays": 6, "brief": 1}
    for topic in (driver.settings.changelog_topic, driver.topics.interest_predictions):
        assert [record.value for record in driver.committed(topic) if record.key == b"gone"][-1] is None
    await worker.stop()


@pytest.mark.parametrize(
    ("poison", "code"),
    [
        ((b"u1", b'{"user_id": "u1"'), "not_json"),
        ((b"u1", None), "null_value"),
        ((b"u2", event("u1", 1)[1]), "key_mismatch"),
        ((b"\0source-offset", event("\0source-offset", 1)[1]), "reserved_id"),
        ((b"u1", b" " * 2000), "record_too_large"),
    ],
)
async def test_a_poison_record_is_dead_lettered_and_its_neighbours_are_applied(
    make_driver: Callable[..., WorkerDriver], poison: Input, code: str
) -> None:
    driver = make_driver("kafka.max_record_bytes=1024")
    worker = await driver.start()
    driver.send([event("u1", 1), poison, event("u1", 2)])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items()} == {"u1": 2}
    (letter,) = driver.committed(driver.topics.user_events_dlq)
    assert letter.key == poison[0]
    assert dict(letter.headers)["interest.error.reason"] == code.encode()
    await worker.stop()


async def test_each_event_of_a_record_is_applied_and_predicted_once(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send([several("u1", 0, "i1", "i2"), event("u1", 1), several("u1", 2, "i3", None, "i4")])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items()} == {"u1": 5}
    ids = [predictions.decode(r.value or b"").prediction_id for r in driver.committed("interest-predictions")]
    partition = ids[0].split(":")[1]
    positions = ["0:0", "0:1", "1", "2:0", "2:2"]
    assert ids == [f"user-events:{partition}:{position}" for position in positions]
    (letter,) = driver.committed(driver.topics.user_events_dlq)
    assert (letter.key, letter.value) == several("u1", 2, "i3", None, "i4")
    assert dict(letter.headers)["interest.error.message"].startswith(b"event 1 of 3: missing_field: ")
    await worker.stop()


async def test_predictions_are_keyed_by_the_user_whatever_kafka_connect_made_of_the_key(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send([(b'"u1"', event("u1", 0)[1])])
    await worker.apply_all()
    assert (await driver.check(worker)).keys() == {"u1"}
    assert [record.key for record in driver.committed(driver.topics.interest_predictions)] == [b"u1"]
    await worker.stop()


async def test_records_in_a_schema_of_ones_own_are_read_by_the_map(make_driver: Callable[..., WorkerDriver]) -> None:
    table = '{ user = "who", item = "what.id", type = "what.kind", time = "at" }'
    driver = make_driver(f"events.map={table}", 'events.types={ "Trailer Watched" = "view" }')
    worker = await driver.start()
    value = {"who": "u1", "what": {"id": 7, "kind": "trailer_watched"}, "at": 1_731_900_000}
    driver.send([(b"u1", orjson.dumps(value)), event("u1", 1)])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items()} == {"u1": 2}
    assert driver.committed(driver.topics.user_events_dlq) == []
    assert driver.committed(driver.topics.item_index)[0].key == b"7"
    await worker.stop()


async def test_an_unknown_event_type_is_logged_once(driver: WorkerDriver, caplog: pytest.LogCaptureFixture) -> None:
    worker = await driver.start()
    hover = {"user_id": "u1", "event_type": "hover\x1b[31m", "timestamp": 1_731_900_000}
    for _ in range(2):
        driver.send([(b"u1", orjson.dumps(hover))] * 2 + [(b"u1", orjson.dumps(hover | {"event_type": "other"}))])
        await worker.apply_all()
    driver.send([(b"u1", orjson.dumps(hover | {"event_type": f"kind {number}"})) for number in range(200)])
    await worker.apply_all()
    await driver.check(worker)
    messages = [record.getMessage() for record in caplog.records if record.name == "streams.worker.unknown_types"]
    assert len(messages) == MOST_NAMES + 1
    assert messages[0].startswith(
        "event type 'hover\\x1b[31m' is not known and counts as 'other'; map it in interest.toml"
    )
    assert messages[-1] == "100 unknown event types: no more of them are logged"
    await worker.stop()


async def test_records_without_an_event_and_replaced_times_are_logged_once_and_counted(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start()
    identify = {"type": "identify", "userId": "u1", "messageId": "m"}
    future = {"user_id": "u1", "event_type": "click", "item_id": "i", "timestamp": "2286-11-20"}
    for _ in range(2):
        driver.send([(b"u1", orjson.dumps(value)) for value in (identify, identify, future)])
        await worker.apply_all()
    rows = await driver.check(worker)
    assert rows["u1"].count == 2
    messages = [record.getMessage() for record in caplog.records if record.name == "streams.worker.pipeline"]
    assert [message.split(";")[0] for message in messages] == [
        "records of Segment 'identify' carry no event",
        "times that lie more than a day after their record's are replaced by the record's",
    ]
    with caplog.at_level(logging.INFO, "streams.worker.report"):
        worker.report()
    assert "0 rejected, 4 without event, 2 times replaced; " in caplog.text
    await worker.stop()


async def test_a_partition_of_poison_alone_advances_its_offset(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send([(b"u1", b"{")] * 3)
    await worker.apply_all()
    assert len(driver.committed(driver.topics.user_events_dlq)) == 3
    assert await driver.check(worker) == {}
    assert sum(state.next_offset for state in worker.partitions.values()) == 3
    await worker.stop()


async def test_items_are_registered_once_in_order_of_appearance(driver: WorkerDriver) -> None:
    for name, begin in (("a", 0), ("b", 50)):  # the second worker reads the index of the first
        worker = await driver.start(name)
        driver.send(events(begin, begin + 50, users=1))
        await worker.apply_all()
        await worker.stop()
    index = [record.key for record in driver.committed(driver.topics.item_index)]
    assert index == [b"i0", b"i3", b"i1", b"i4", b"i2"]


async def test_more_items_in_a_micro_batch_than_there_is_room_for_are_unknown_items(
    make_driver: Callable[..., WorkerDriver], caplog: pytest.LogCaptureFixture
) -> None:
    driver = make_driver("items.capacity=1")
    worker = await driver.start()
    driver.send([event("u1", 0, "i1"), event("u1", 1, "i2"), event("u1", 2, "i1")])
    await worker.apply_all()
    assert {user: row.count for user, row in (await driver.check(worker)).items()} == {"u1": 3}
    assert not driver.committed(driver.topics.user_events_dlq)
    assert "items.capacity = 1" in caplog.text
    await worker.stop()


async def test_item_descriptions_go_to_the_catalog(driver: WorkerDriver) -> None:
    worker = await driver.start()
    upsert = {"event_type": "item.upsert", "item_id": "i1", "title": "One", "categories": ["x"]}
    driver.send([(b"any", orjson.dumps(upsert)), (b"any", b'{"event_type": "item.delete", "item_id": "i2"}')])
    await worker.apply_all()
    catalog = {record.key: record.value for record in driver.committed(driver.topics.item_catalog)}
    assert orjson.loads(catalog[b"i1"] or b"")["title"] == "One"
    assert catalog[b"i2"] is None
    await worker.stop()


async def test_the_last_quality_record_counts_every_committed_event(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 120))
    await worker.apply_all()
    await worker.stop()
    record = driver.committed(driver.topics.interest_quality)[-1]
    assert (record.key, decode_quality(record.value or b"").events) == (worker.transactional_id.encode(), 120)
