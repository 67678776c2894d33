from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from aiokafka import ConsumerRecord

from models.config import ModelConfig
from models.data.event_features import value_buckets
from models.data.user_state import user_state_fields
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from state.table import UserTable
from streams.worker.batch import MicroBatch, PartitionBatch, build_batch, count_events, decode_partition, item_ids
from streams.worker.partitions import PartitionState
from tests.unit.streams.records import batch, click, record

LAYOUT = RowLayout([("h", "<f2", (4,))])
DELETE = {"event_type": "user.delete", "timestamp": 1_731_900_000_000}
MOST = 1 << 20


@pytest.fixture
def table(tmp_path: Path) -> Iterator[UserTable]:
    with UserTable(tmp_path) as table:
        yield table


@pytest.fixture
def owner(table: UserTable) -> PartitionState:
    return PartitionState(0, table.open(0), 0)


def assembled(parts: list[PartitionBatch], capacity: int = 100) -> MicroBatch:
    items = ItemVocabulary(capacity)
    for item_id in item_ids(parts)[:capacity]:
        items.add(item_id)
    return build_batch("user-events", parts, items, LAYOUT)


def stored(owner: PartitionState, user: bytes, count: int, last_offset: int) -> None:
    row = LAYOUT.new(1)
    row["count"], row["last_offset"] = count, last_offset
    owner.store.put_many([user], LAYOUT.pack(row), 1)


def test_events_are_grouped_by_user_in_stream_order(owner: PartitionState) -> None:
    fetched = batch(click(0, "a", "i1"), click(1, "b", "i2"), click(2, "a", "i3"), click(3, "b", "i1"))
    work = assembled([decode_partition(owner, [fetched], MOST)])
    assert work.users == [b"a", b"b"]
    assert work.batch.user.tolist() == [0, 0, 1, 1]
    assert work.offset.tolist() == [0, 2, 1, 3]
    assert work.batch.item.tolist() == [1, 3, 2, 1]
    assert work.last.tolist() == [1, 3]
    assert [event.event_id for event in work.events] == ["e0", "e2", "e1", "e3"]


def test_causes_number_each_users_events(owner: PartitionState) -> None:
    stored(owner, b"a", count=10, last_offset=-1)
    fetched = batch(click(0, "a"), click(1, "b"), click(2, "a"))
    origins = assembled([decode_partition(owner, [fetched], MOST)]).origins
    assert list(origins.state_version) == [11, 12, 1]
    assert list(origins.offset) == [0, 2, 1]


def test_users_of_several_partitions_keep_theirs(table: UserTable, owner: PartitionState) -> None:
    other = PartitionState(1, table.open(1), 0)
    parts = [
        decode_partition(owner, [batch(click(0, "a"))], MOST),
        decode_partition(other, [batch(click(0, "b", partition=1), click(1, "c", partition=1))], MOST),
    ]
    work = assembled(parts)
    assert work.users == [b"a", b"b", b"c"]
    assert work.part.tolist() == [0, 1, 1]


def test_what_a_row_has_applied_is_left_out(owner: PartitionState) -> None:
    stored(owner, b"a", count=1, last_offset=5)
    stored(owner, b"b", count=1, last_offset=5)
    fetched = batch(click(4, "a"), click(5, "b"), click(6, "b"))
    work = assembled([decode_partition(owner, [fetched], MOST)])
    assert (work.users, work.offset.tolist()) == ([b"b"], [6])
    assert work.rows["count"].tolist() == [1]


def test_a_deletion_erases_the_row_and_the_steps_earlier_events(owner: PartitionState) -> None:
    stored(owner, b"a", count=3, last_offset=-1)
    stored(owner, b"b", count=4, last_offset=-1)
    fetched = batch(
        click(0, "a"),
        click(1, "b"),
        record(2, DELETE | {"user_id": "a"}),
        record(3, DELETE | {"user_id": "b"}),
        click(4, "b"),
    )
    part = decode_partition(owner, [fetched], MOST)
    work = assembled([part])
    assert set(part.erased) == {"a", "b"}
    assert (work.users, work.offset.tolist()) == ([b"b"], [4])
    assert work.rows["count"].tolist() == [0]


def test_rejected_records_do_not_hold_up_their_neighbours(owner: PartitionState) -> None:
    fetched = batch(click(0, "a"), record(1, b"{", b"a"), record(2, None, b"a"), click(3, "a"))
    part = decode_partition(owner, [fetched], MOST)
    work = assembled([part])
    assert work.offset.tolist() == [0, 3]
    assert [(r.offset, error.code) for r, error in part.rejected] == [(1, "not_json"), (2, "null_value")]
    assert part.next_offset == 4


def test_events_of_items_beyond_the_capacity_are_rejected(owner: PartitionState) -> None:
    fetched = batch(click(0, "a", "i1"), click(1, "a", "i2"), click(2, "a", "i1"))
    part = decode_partition(owner, [fetched], MOST)
    work = assembled([part], capacity=1)
    assert work.offset.tolist() == [0, 2]
    assert [(r.offset, error.code) for r, error in part.rejected] == [(1, "item_capacity")]


def test_a_step_of_refused_records_only_touches_nobody(owner: PartitionState) -> None:
    part = decode_partition(owner, [batch(record(0, b"{", b"a"))], MOST)
    work = assembled([part])
    assert (work.users, len(work.batch), len(work.rows), work.last.tolist()) == ([], 0, 0, [])
    assert np.array_equal(work.origins.offset, [])


def said(offset: int, user: str, **fields: object) -> "ConsumerRecord[bytes, bytes]":
    event = {"user_id": user, "event_type": "review", "item_id": "i1", "event_id": f"e{offset}"}
    return record(offset, event | {"timestamp": 1_731_900_000_000 + offset} | fields)


def test_values_and_texts_follow_their_events(owner: PartitionState) -> None:
    fetched = batch(
        said(0, "b", value=4.5, text="good strings"),
        said(1, "a", text="声音很好 🎸"),
        said(2, "b"),
        said(3, "a", value=0),
    )
    work = assembled([decode_partition(owner, [fetched], MOST)])
    assert work.batch.user.tolist() == [0, 0, 1, 1]
    assert work.batch.text == ["good strings", "", "声音很好 🎸", ""]
    assert work.batch.value is not None
    np.testing.assert_array_equal(work.batch.value, np.array([4.5, np.nan, np.nan, 0], np.float32))


def test_values_and_texts_of_left_out_events_are_left_out(owner: PartitionState) -> None:
    stored(owner, b"a", count=1, last_offset=0)
    fetched = batch(said(0, "a", value=1, text="applied already"), said(1, "a", value=2, text="new"))
    work = assembled([decode_partition(owner, [fetched], MOST)])
    assert work.batch.text == ["new"]
    assert work.batch.value is not None
    assert work.batch.value.tolist() == [2]


def test_a_step_without_values_and_texts_has_no_columns_of_them(owner: PartitionState) -> None:
    work = assembled([decode_partition(owner, [batch(click(0, "a"), said(1, "a", text=""))], MOST)])
    assert work.batch.value is None
    assert work.batch.text is None


def test_text_and_value_of_a_record_reach_row_and_item_once(table: UserTable) -> None:
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu")
    layout, items = RowLayout(user_state_fields(config)), ItemVocabulary(10, ItemContent(config))
    items.add("i1")
    owner, engine = PartitionState(0, table.open(1), 0), Engine(config, items)
    fetched = batch(said(0, "a", value=4.5, text="good strings"), said(1, "a", value=1, text="broke"))
    for _ in range(2):  # the second time everything has been applied
        work = build_batch("user-events", [decode_partition(owner, [fetched], MOST)], items, layout)
        rows = count_events(work, engine.step(work.batch, work.rows).rows)
        owner.store.put_many(work.users, layout.pack(rows), 2)
    (row,) = layout.unpack(owner.store.get_many([b"a"]))
    assert (row["count"], row["steps"]) == (2, 2)
    assert row["ring_text"].any(1).tolist() == [True, True, False, False, False]
    assert row["ring_value"].tolist() == value_buckets(np.array([4.5, 1, np.nan, np.nan, np.nan], np.float32)).tolist()
    assert items.content is not None
    assert items.content.state()["count"].tolist() == [2]
