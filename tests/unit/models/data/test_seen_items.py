import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.seen_items import mark_seen, seen_after_each, seen_before
from models.data.timeline import Timeline
from models.data.user_state import new_user_states


def set_bits(seen: NDArray[np.uint8]) -> list[int]:
    return np.flatnonzero(np.unpackbits(seen, bitorder="little")).tolist()


def test_marks_are_exact_up_to_the_bits_and_wrap_beyond() -> None:
    seen = np.zeros((2, 8), dtype=np.uint8)
    mark_seen(seen, np.array([0, 0, 1, 1]), np.array([3, 63, 64 + 5, 3]))
    assert set_bits(seen[0]) == [3, 63]
    assert set_bits(seen[1]) == [3, 5]


def test_no_item_marks_nothing() -> None:
    seen = np.zeros((1, 8), dtype=np.uint8)
    mark_seen(seen, np.array([0]), np.array([0]))
    assert set_bits(seen[0]) == []


def test_map_after_each_event_holds_all_before_and_none_after(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    mark_seen(rows["seen"], np.array([0, 1]), np.array([40, 41]))
    user = np.array([0] * 5 + [1] * 2)
    item = np.array([1, 2, 0, 3, 4, 5, 6])
    zeros = np.zeros(7, dtype=np.int64)
    after = seen_after_each(Timeline(EventBatch(user, item, zeros, zeros), rows), item)
    assert [set_bits(row) for row in after] == [
        [1, 40],
        [1, 2, 40],
        [1, 2, 40],
        [1, 2, 3, 40],
        [1, 2, 3, 4, 40],
        [5, 41],
        [5, 6, 41],
    ]


def test_map_before_each_event_is_the_one_after_the_last(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    mark_seen(rows["seen"], np.array([0, 1]), np.array([40, 41]))
    user, item = np.array([0] * 5 + [1] * 2), np.array([1, 2, 0, 3, 4, 5, 6])
    zeros = np.zeros(7, dtype=np.int64)
    before = seen_before(Timeline(EventBatch(user, item, zeros, zeros), rows), np.array([6, 0, 4]), item)
    assert [set_bits(row) for row in before] == [[5, 41], [40], [1, 2, 3, 40]]
    assert set_bits(rows["seen"][0]) == [40]
