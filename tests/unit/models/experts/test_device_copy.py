import numpy as np
import pytest
import torch

from models.experts import cooccurrence
from models.experts.cooccurrence import SuccessorTable

CPU = torch.device("cpu")


@pytest.fixture
def copying_table(monkeypatch: pytest.MonkeyPatch) -> SuccessorTable:
    """A table that takes the CPU for another device."""
    monkeypatch.setattr(cooccurrence, "is_host", lambda device: False)
    return SuccessorTable(16)


def add_random(table: SuccessorTable, items: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pair = np.unique(random.integers(1, items, (300, 2)), axis=0)
    table.add(pair[:, 0], pair[:, 1], random.random(len(pair)).astype(np.float32))


def assert_current(table: SuccessorTable, items: int) -> None:
    every = np.arange(items)[None]
    items_after, counts = table.successors(every, CPU)
    state = table.state(items)
    np.testing.assert_array_equal(items_after[0].numpy(), state["items"].reshape(items, -1))
    np.testing.assert_array_equal(counts[0].numpy(), state["counts"].reshape(items, -1))


def test_the_copy_follows_counts_and_replaced_pairs(copying_table: SuccessorTable) -> None:
    for seed in range(8):
        add_random(copying_table, 40, seed)  # 40 successors in 16 cells: many are replaced
        if seed % 3 != 1:  # the changes of several batches may wait
            assert_current(copying_table, 40)


def test_the_copy_follows_growth(copying_table: SuccessorTable) -> None:
    add_random(copying_table, 40, 0)
    assert_current(copying_table, 40)
    add_random(copying_table, 3000, 1)
    assert_current(copying_table, 3000)


@pytest.mark.parametrize("rows", [40, 3000])
def test_the_copy_follows_a_restore(copying_table: SuccessorTable, rows: int) -> None:
    add_random(copying_table, 40, 0)
    assert_current(copying_table, 40)
    other = SuccessorTable(16)
    add_random(other, rows, 1)
    copying_table.restore(other.state(rows))
    assert_current(copying_table, rows)


def test_without_another_device_nothing_is_kept() -> None:
    table = SuccessorTable(16)
    add_random(table, 40, 0)
    assert_current(table, 40)
    add_random(table, 40, 1)
    assert not table._on_device._tensors
    assert not table._on_device._changed
