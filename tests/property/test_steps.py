"""However a stream is cut into micro-batches, and however often a part of it is repeated, the rows are the same."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.user_row import user_row_fields
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from state.table import UserTable
from streams.worker.batch import build_batch, count_events, decode_partition
from streams.worker.partitions.partition_state import PartitionState
from tests.records import batch, click, record

torch.set_num_threads(1)

CONFIG = ModelConfig(embedding_dim=8, hidden_size=8, history_length=6, allow_repeats=False, seen_bits=64)
LAYOUT = RowLayout(user_row_fields(CONFIG))
ITEMS = ItemVocabulary(10)
for number in range(1, 8):
    ITEMS.add(f"i{number}")
# new_steps is that of the last step, however the stream is cut.
EXACT = [name for name in LAYOUT.dtype.names or () if name not in ("h", "c", "new_steps")]

Stream = list["ConsumerRecord[bytes, bytes]"]

USERS = st.sampled_from(["a", "b", "c"])
EVENTS = st.one_of(
    st.tuples(st.just("click"), USERS, st.integers(1, 7)),
    st.tuples(st.just("click"), USERS, st.integers(1, 7)),
    st.tuples(st.just("delete"), USERS, st.just(0)),
    st.tuples(st.just("junk"), USERS, st.just(0)),
)


def stream(events: list[tuple[str, str, int]]) -> Stream:
    records = []
    for offset, (kind, user, item) in enumerate(events):
        if kind == "click":
            records.append(click(offset, user, f"i{item}"))
        elif kind == "delete":
            records.append(record(offset, {"user_id": user, "event_type": "user.delete"}))
        else:
            records.append(record(offset, b"{", user.encode()))
    return records


def rows_after(records: Stream, cuts: list[int], again: int = 0) -> dict[bytes, NDArray[np.void]]:
    """The stored rows after micro-batches that end at the cuts, each of which begins `again` records too early."""
    engine = Engine(CONFIG, ITEMS)
    with tempfile.TemporaryDirectory() as folder, UserTable(Path(folder)) as table:
        state = PartitionState(0, table.open(0), 0)
        for begin, end in pairwise(sorted({0, *cuts, len(records)})):
            fetched = batch(*records[max(begin - again, 0) : end]).since(state.next_offset)
            assert fetched is not None
            part = decode_partition(state, [fetched], 1 << 20)
            micro_batch = build_batch("user-events", [part], ITEMS, LAYOUT)
            rows = count_events(micro_batch, engine.step(micro_batch.event_batch, micro_batch.rows).rows)
            gone = [user.encode() for user in part.deleted if user.encode() not in micro_batch.users]
            state.store.put_many([*micro_batch.users, *gone], [*LAYOUT.pack(rows), *[None] * len(gone)], end)
            state.next_offset = part.next_offset
        return {key: LAYOUT.unpack([row])[0] for key, row in state.store.rows()}


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=40), st.lists(st.integers(1, 39), max_size=6), st.integers(0, 5))
def test_any_chunking_and_any_repetition_gives_the_same_rows(
    events: list[tuple[str, str, int]], cuts: list[int], again: int
) -> None:
    records = stream(events)
    expected = rows_after(records, [])
    actual = rows_after(records, [offset for offset in cuts if offset < len(records)], again)
    assert expected.keys() == actual.keys()
    for user, row in expected.items():
        for name in EXACT:
            assert np.array_equal(row[name], actual[user][name]), name
        # h and c are stored in half precision between micro-batches.
        assert row["h"] == pytest.approx(actual[user]["h"], abs=5e-3)
        assert row["c"] == pytest.approx(actual[user]["c"], abs=1e-2)
