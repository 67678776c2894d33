import numpy as np
from numpy.typing import NDArray

from models.releases.part_arrays import BLOCK_ITEMS
from models.releases.waiting_blocks import WaitingBlocks


def blocks_of(items: NDArray[np.int64]) -> list[int]:
    return [int(item) // BLOCK_ITEMS for item in items]


def items(*blocks: int) -> NDArray[np.int64]:
    """An item of each."""
    return np.array([block * BLOCK_ITEMS + 5 for block in blocks], np.int64)


def test_as_many_blocks_as_a_release_may_have_come_at_once() -> None:
    waiting = WaitingBlocks(max_blocks=3)
    waiting.add(items(2, 0, 40, 2))
    assert blocks_of(waiting.take()) == [0, 2, 40]
    assert blocks_of(waiting.take()) == []


def test_of_more_those_with_the_most_changes_come_first_and_every_one_comes_at_last() -> None:
    waiting = WaitingBlocks(max_blocks=2)
    waiting.add(items(0, 1, 2, 2, 3, 3, 3))
    assert blocks_of(waiting.take()) == [3, 2]
    waiting.add(items(1, 2))
    assert blocks_of(waiting.take()) == [1, 0]
    assert blocks_of(waiting.take()) == [2]


def test_what_must_come_at_once_comes_beyond_the_limit_and_before_all_else() -> None:
    waiting = WaitingBlocks(max_blocks=2)
    waiting.add(items(0, 0, 0))
    waiting.add(items(4, 5, 6), at_once=True)
    assert sorted(blocks_of(waiting.take())) == [4, 5, 6]
    waiting.add(items(1, 2))
    assert blocks_of(waiting.take()) == [0, 1]


def test_a_release_of_everything_leaves_none_waiting() -> None:
    waiting = WaitingBlocks(max_blocks=1)
    waiting.add(items(7, 8, 2000))
    assert blocks_of(waiting.take(every=True)) == [7, 8, 2000]
    assert blocks_of(waiting.take()) == []
