from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.experts.cooccurrence import SuccessorTable

CPU = torch.device("cpu")


def pairs(table: SuccessorTable, items: int) -> set[tuple[int, int, float]]:
    successors, counts = table.successors(np.arange(items)[None], CPU)
    cells = zip(successors[0].tolist(), counts[0].tolist(), strict=True)
    return {
        (item, successor, count)
        for item, row in enumerate(cells)
        for successor, count in zip(*row, strict=True)
        if count
    }


def test_a_forgotten_item_is_in_no_pair() -> None:
    table, random = SuccessorTable(32), np.random.default_rng(0)
    pair = np.unique(random.integers(1, 60, (400, 2)), axis=0)
    count = random.integers(1, 9, len(pair)).astype(np.float32)
    table.add(pair[:, 0], pair[:, 1], count)
    before, totals = pairs(table, 60), table.totals(np.arange(60))
    gone = {7, 12, 33}
    changed = table.forget(np.array(sorted(gone)), 60)
    lost = {(item, other, number) for item, other, number in before if other in gone and item not in gone}
    assert pairs(table, 60) == {entry for entry in before if not gone & {*entry[:2]}}
    assert set(changed.tolist()) == {item for item, _, _ in lost}
    for item in range(60):
        rest = 0.0 if item in gone else totals[item] - sum(number for holder, _, number in lost if holder == item)
        assert table.totals(np.array([item]))[0] == pytest.approx(rest)


def test_a_table_without_the_item_stays_as_it_is() -> None:
    table = SuccessorTable(16)
    table.add(np.array([1]), np.array([2]), np.ones(1, np.float32))
    assert table.forget(np.array([3]), 4).tolist() == []
    assert pairs(table, 4) == {(1, 2, 1.0)}


def test_small_counts_still_add_up_where_many_were_counted() -> None:
    """In float32, 2^21 + .1 is 2^21."""
    table, item = SuccessorTable(16), np.array([1, 1])
    table.add(item, np.array([2, 3]), np.array([2.0**21, 2.0**21], np.float32))
    for _ in range(8):
        table.add(np.array([1]), np.array([3]), np.array([1e5], np.float32))
    _, most, more = sorted(pairs(table, 2) | {(0, 0, 0.0)})
    assert more[2] > most[2]
    totals = table.totals(np.array([1]))
    assert totals[0] <= 2**17
    assert most[2] + more[2] == pytest.approx(totals[0], rel=1e-3)


def packed(table: SuccessorTable, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    rows = table.rows(item)
    used = rows["items"] > 0
    bits = np.packbits(used.reshape(len(item), -1), axis=1)
    return {"used": bits, "items": rows["items"][used], "counts": rows["counts"][used], "totals": rows["totals"]}


def test_packed_rows_replace_those_of_the_same_items_alone() -> None:
    random, one, other = np.random.default_rng(0), SuccessorTable(32), SuccessorTable(32)
    for table in (one, other):
        drawn = np.unique(random.integers(1, 40, (300, 2)), axis=0)
        table.add(drawn[:, 0], drawn[:, 1], random.random(len(drawn)).astype(np.float32))
        table.grow(60)
    item = np.array([3, 4, 17, 50])  # 50 has none
    expected = {entry for entry in pairs(other, 60) if entry[0] not in item}
    expected |= {entry for entry in pairs(one, 60) if entry[0] in item}
    other.put_rows(item, packed(one, item))
    assert pairs(other, 60) == expected
    np.testing.assert_array_equal(other.totals(item), one.totals(item))


@pytest.mark.parametrize(
    ("cells", "kept", "message"), [(16, slice(None), "16 successors"), (32, slice(1, None), "marked")]
)
def test_packed_rows_that_do_not_fit_change_nothing(cells: int, kept: slice, message: str) -> None:
    one, other, item = SuccessorTable(cells), SuccessorTable(32), np.array([1])
    for table in (one, other):
        table.add(np.array([1, 1]), np.array([2, 3]), np.ones(2, np.float32))
    rows = packed(one, item)
    with pytest.raises(ValueError, match=message):
        other.put_rows(item, rows | {"items": rows["items"][kept]})
    assert pairs(other, 4) == {(1, 2, 1.0), (1, 3, 1.0)}
