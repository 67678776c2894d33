from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from aiokafka import ConsumerRecord

from models.config import ModelConfig
from models.data.event_features import value_buckets
from models.data.user_row import user_row_fields
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from state.table import UserTable
from streams.worker.batch import MicroBatch, PartitionBatch, build_batch, count_events, decode_partition, item_ids
from streams.worker.partitions.partition_state import PartitionState
from tests.records import batch, click, record

LAYOUT = RowLayout([("h", "<f2", (4,))])
DELETE = {"event_type": "user.delete", "timestamp": 1_731_900_000_000}
MOST = 1 << 20


@pytest.fixture
def table(tmp_path: Path) -> Iterator[UserTable]:
    with UserTable(tmp_path) as table:
        yield table


@pytest.fixture
def state(table: UserTable) -> PartitionState:
    return PartitionState(0, table.open(0), 0)


def built(parts: list[PartitionBatch], capacity: int = 100) -> MicroBatch:
    items = ItemVocabulary(capacity)
    for item_id in item_ids(parts)[:capacity]:
        items.add(item_id)
    return build_batch("user-events", parts, items, LAYOUT)


def stored(state: PartitionState, user: bytes, count: int, last_offset: int) -> None:
    row = LAYOUT.new(1)
    row["count"], row["last_offset"] = count, last_offset
    state.store.put_many([user], LAYOUT.pack(row), 1)


def test_events_are_grouped_by_user_in_stream_order(state: PartitionState) -> None:
    fetched = batch(click(0, "a", "i1"), click(1, "b", "i2"), click(2, "a", "i3"), click(3, "b", "i1"))
    micro_batch = built([decode_partition(state, [fetched], MOST)])
    assert micro_batch.users == [b"a", b"b"]
    assert micro_batch.event_batch.user.tolist() == [0, 0, 1, 1]
    assert micro_batch.offset.tolist() == [0, 2, 1, 3]
    assert micro_batch.event_batch.item.tolist() == [1, 3, 2, 1]
    assert micro_batch.last_event.tolist() == [1, 3]
    assert [event.event_id for event in micro_batch.events] == ["e0", "e2", "e1", "e3"]


def test_origins_number_each_users_events(state: PartitionState) -> None:
    stored(state, b"a", count=10, last_offset=-1)
    fetched = batch(click(0, "a"), click(1, "b"), click(2, "a"))
    origins = built([decode_partition(state, [fetched], MOST)]).origins
    assert list(origins.state_version) == [11, 12, 1]
    assert list(origins.offset) == [0, 2, 1]


def test_users_of_several_partitions_keep_their_partition(table: UserTable, state: PartitionState) -> None:
    other = PartitionState(1, table.open(1), 0)
    parts = [
        decode_partition(state, [batch(click(0, "a"))], MOST),
        decode_partition(other, [batch(click(0, "b", partition=1), click(1, "c", partition=1))], MOST),
    ]
    micro_batch = built(parts)
    assert micro_batch.users == [b"a", b"b", b"c"]
    assert micro_batch.part_index.tolist() == [0, 1, 1]


def test_events_up_to_the_rows_last_offset_are_left_out(state: PartitionState) -> None:
    stored(state, b"a", count=1, last_offset=5)
    stored(state, b"b", count=1, last_offset=5)
    fetched = batch(click(4, "a"), click(5, "b"), click(6, "b"))
    micro_batch = built([decode_partition(state, [fetched], MOST)])
    assert (micro_batch.users, micro_batch.offset.tolist()) == ([b"b"], [6])
    assert micro_batch.rows["count"].tolist() == [1]


def test_a_deletion_resets_the_row_and_drops_the_batchs_earlier_events(state: PartitionState) -> None:
    stored(state, b"a", count=3, last_offset=-1)
    stored(state, b"b", count=4, last_offset=-1)
    fetched = batch(
        click(0, "a"),
        click(1, "b"),
        record(2, DELETE | {"user_id": "a"}),
        record(3, DELETE | {"user_id": "b"}),
        click(4, "b"),
    )
    part = decode_partition(state, [fetched], MOST)
    micro_batch = built([part])
    assert set(part.deleted) == {"a", "b"}
    assert (micro_batch.users, micro_batch.offset.tolist()) == ([b"b"], [4])
    assert micro_batch.rows["count"].tolist() == [0]


def test_impressions_belong_to_no_row(state: PartitionState) -> None:
    impression = {"event_type": "impression", "item_id": "i9", "timestamp": 1_731_900_000_000}
    shown = [record(offset, impression | {"user_id": user}) for offset, user in ((1, "a"), (2, "b"))]
    part = decode_partition(state, [batch(click(0, "a", "i1"), *shown)], MOST)
    assert (part.impressions, part.next_offset, item_ids([part])) == (2, 3, ["i1"])
    micro_batch = built([part])
    assert micro_batch.users == [b"a"]
    assert [event.event_id for event in micro_batch.events] == ["e0"]


def test_rejected_records_do_not_affect_their_neighbours(state: PartitionState) -> None:
    fetched = batch(click(0, "a"), record(1, b"{", b"a"), record(2, None, b"a"), click(3, "a"))
    part = decode_partition(state, [fetched], MOST)
    micro_batch = built([part])
    assert micro_batch.offset.tolist() == [0, 3]
    assert [(r.offset, error.code) for r, error in part.rejected] == [(1, "not_json"), (2, "null_value")]
    assert part.next_offset == 4


def test_events_of_items_without_a_slot_count_as_those_of_no_item(state: PartitionState) -> None:
    fetched = batch(click(0, "a", "i1"), click(1, "a", "i2"), click(2, "a", "i1"))
    part = decode_partition(state, [fetched], MOST)
    micro_batch = built([part], capacity=1)
    assert micro_batch.offset.tolist() == [0, 1, 2]
    assert micro_batch.event_batch.item.tolist() == [1, 0, 1]
    assert part.rejected == []


def test_rows_name_items_by_their_slots(state: PartitionState) -> None:
    layout, items = RowLayout([("ring_item", "<u4", (4,))]), ItemVocabulary(2)
    for name, candidates in (("i1", []), ("i2", []), ("i3", [1])):
        items.apply(name, Registration(2, candidates))
    row = layout.new(1)
    row["ring_item"] = [[1, 2, 3, 0]]
    state.store.put_many([b"a"], layout.pack(row), 1)
    part = decode_partition(state, [batch(click(0, "a", "i3"))], MOST)
    micro_batch = build_batch("user-events", [part], items, layout)
    assert micro_batch.rows["ring_item"].tolist() == [[0, 2, 1, 0]]
    assert micro_batch.event_batch.item.tolist() == [1]


def several(offset: int, user: str, *items: str | None) -> "ConsumerRecord[bytes, bytes]":
    """A record with a click on each item; None makes one that cannot be used."""
    clicks = [{"user_id": user, "event_type": "click", "item_id": item, "timestamp": 1_731_900_000} for item in items]
    return record(offset, orjson.dumps(clicks), user.encode())


def test_events_of_one_record_keep_their_order_and_index(state: PartitionState) -> None:
    fetched = batch(click(0, "b"), several(1, "a", "i1", "i2"), click(2, "a", "i3"), several(3, "a", "i4"))
    micro_batch = built([decode_partition(state, [fetched], MOST)])
    assert micro_batch.users == [b"b", b"a"]
    assert micro_batch.offset.tolist() == [0, 1, 1, 2, 3]
    assert micro_batch.record_index == [-1, 0, 1, -1, -1]
    positions = ["e0", "user-events:0:1:0", "user-events:0:1:1", "e2", "user-events:0:3"]
    assert [event.event_id for event in micro_batch.events] == positions
    assert list(micro_batch.origins.state_version) == [1, 1, 2, 3, 4]
    rows = count_events(micro_batch, micro_batch.rows)
    assert (rows["count"].tolist(), rows["last_offset"].tolist()) == ([1, 4], [0, 3])
    assert rows["new_steps"].tolist() == [1, 4]


def test_new_steps_are_those_of_this_batch_alone(state: PartitionState) -> None:
    rows = LAYOUT.new(1)
    rows["count"], rows["new_steps"], rows["last_offset"] = 2, 2, 1
    state.store.put_many([b"a"], LAYOUT.pack(rows), 5)
    micro_batch = built(
        [decode_partition(state, [batch(click(2, "a"), click(3, "b"), click(4, "a"), click(5, "a"))], MOST)]
    )
    rows = count_events(micro_batch, micro_batch.rows)
    assert (rows["count"].tolist(), rows["new_steps"].tolist()) == ([5, 1], [3, 1])


def test_a_record_that_the_row_has_applied_is_left_out_with_all_its_events(state: PartitionState) -> None:
    stored(state, b"a", count=2, last_offset=1)
    micro_batch = built([decode_partition(state, [batch(several(1, "a", "i1", "i2"), click(2, "a"))], MOST)])
    assert micro_batch.offset.tolist() == [2]


def test_a_record_with_unusable_events_is_rejected_once_and_its_others_count(state: PartitionState) -> None:
    part = decode_partition(state, [batch(several(0, "a", "i1", None, "i2", None))], MOST)
    micro_batch = built([part])
    assert micro_batch.record_index == [0, 2]
    ((rejected, error),) = part.rejected
    assert rejected.offset == 0
    assert error.message.startswith("event 1 of 4: ")
    assert "; event 3 of 4: " in error.message


def test_a_deletion_among_the_events_of_a_record_drops_those_before_it(state: PartitionState) -> None:
    fields = {"user_id": "a", "event_type": "click", "item_id": "i1", "timestamp": 1_731_900_000}
    value = orjson.dumps([fields, DELETE | {"user_id": "a"}, fields])
    micro_batch = built([decode_partition(state, [batch(record(0, value, b"a"))], MOST)])
    assert micro_batch.record_index == [2]


def test_a_batch_of_rejected_records_alone_has_no_users(state: PartitionState) -> None:
    part = decode_partition(state, [batch(record(0, b"{", b"a"))], MOST)
    micro_batch = built([part])
    assert (
        micro_batch.users,
        len(micro_batch.event_batch),
        len(micro_batch.rows),
        micro_batch.last_event.tolist(),
    ) == ([], 0, 0, [])
    assert np.array_equal(micro_batch.origins.offset, [])


def review(offset: int, user: str, **fields: object) -> "ConsumerRecord[bytes, bytes]":
    event = {"user_id": user, "event_type": "review", "item_id": "i1", "event_id": f"e{offset}"}
    return record(offset, event | {"timestamp": 1_731_900_000_000 + offset} | fields)


def test_values_and_texts_follow_their_events(state: PartitionState) -> None:
    fetched = batch(
        review(0, "b", value=4.5, text="good strings"),
        review(1, "a", text="声音很好 🎸"),
        review(2, "b"),
        review(3, "a", value=0),
    )
    micro_batch = built([decode_partition(state, [fetched], MOST)])
    assert micro_batch.event_batch.user.tolist() == [0, 0, 1, 1]
    assert micro_batch.event_batch.text == ["good strings", "", "声音很好 🎸", ""]
    assert micro_batch.event_batch.value is not None
    np.testing.assert_array_equal(micro_batch.event_batch.value, np.array([4.5, np.nan, np.nan, 0], np.float32))


def test_values_and_texts_of_left_out_events_are_left_out(state: PartitionState) -> None:
    stored(state, b"a", count=1, last_offset=0)
    fetched = batch(review(0, "a", value=1, text="applied already"), review(1, "a", value=2, text="new"))
    micro_batch = built([decode_partition(state, [fetched], MOST)])
    assert micro_batch.event_batch.text == ["new"]
    assert micro_batch.event_batch.value is not None
    assert micro_batch.event_batch.value.tolist() == [2]


def test_a_step_without_values_and_texts_has_no_columns_of_them(state: PartitionState) -> None:
    micro_batch = built([decode_partition(state, [batch(click(0, "a"), review(1, "a", text=""))], MOST)])
    assert micro_batch.event_batch.value is None
    assert micro_batch.event_batch.text is None


def test_text_and_value_of_an_event_reach_row_and_item_once(table: UserTable) -> None:
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu")
    layout, items = RowLayout(user_row_fields(config)), ItemVocabulary(10, ItemContent(config))
    items.add("i1")
    state, engine = PartitionState(0, table.open(1), 0), Engine(config, items)
    fetched = batch(review(0, "a", value=4.5, text="good strings"), review(1, "a", value=1, text="broke"))
    for _ in range(2):  # the second time everything has been applied
        micro_batch = build_batch("user-events", [decode_partition(state, [fetched], MOST)], items, layout)
        step = engine.step(micro_batch.event_batch, micro_batch.rows)
        engine.observe(step)
        rows = count_events(micro_batch, step.rows)
        state.store.put_many(micro_batch.users, layout.pack(rows), 2)
    (row,) = layout.unpack(state.store.get_many([b"a"]))
    assert (row["count"], row["steps"]) == (2, 2)
    assert row["ring_text"].any(1).tolist() == [True, True, False, False, False]
    assert row["ring_value"].tolist() == value_buckets(np.array([4.5, 1, np.nan, np.nan, np.nan], np.float32)).tolist()
    assert items.content is not None
    assert items.content.state()["count"].tolist() == [2]
