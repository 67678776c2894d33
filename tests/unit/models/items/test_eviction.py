import numpy as np
from numpy.typing import NDArray

from models.items.eviction import eviction_candidates

_SEEN = np.array([0, 50, 30, 10, 40, 20, 10])
_INDEX = np.array([0, 1, 2, 9, 4, 5, 6], np.int32)


def spared(*slots: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(7), [0, *slots])


def test_those_unseen_for_longest_come_first_and_then_those_registered_first() -> None:
    """Of half of the items, but for more newcomers than that."""
    assert eviction_candidates(_SEEN, _INDEX, spared(), 1) == [[6, 9, 5]]


def test_newcomers_share_no_candidates() -> None:
    assert eviction_candidates(_SEEN, _INDEX, spared(), 2) == [[6, 5], [9]]
    assert eviction_candidates(_SEEN, _INDEX, spared(1, 2), 3) == [[6], [9], [5]]


def test_too_few_items_give_slots_to_as_many_newcomers() -> None:
    assert eviction_candidates(_SEEN, _INDEX, spared(1, 2, 3, 4), 5) == [[6], [5]]
    assert eviction_candidates(_SEEN, _INDEX, spared(1, 2, 3, 4, 5, 6), 5) == []


def test_each_newcomer_gets_eight_candidates_at_most() -> None:
    items = 1000
    seen = np.random.default_rng(0).permutation(items)
    index = np.arange(items, dtype=np.int32)
    candidates = eviction_candidates(seen, index, index == 0, 100)
    order = [item for item in np.argsort(seen).tolist() if item]
    assert [row[0] for row in candidates] == order[:100]
    assert [row[1] for row in candidates] == order[100:200]
    assert {len(row) for row in candidates} == {5}
    assert {len(row) for row in eviction_candidates(seen, index, index == 0, 10)} == {8}
