import numpy as np
import pytest

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.training.replay_buffer import Reservoir, TrainingWindows, WindowQueue, join, last_windows
from tests.unit.models.sequences import steps_of


def batch_of(user: list[int], item: list[int]) -> EventBatch:
    zeros = np.zeros(len(user), dtype=np.int64)
    return EventBatch(np.array(user), np.array(item), zeros, zeros)


def windows_of(*lists: list[int], new: int = 1, width: int = 5) -> TrainingWindows:
    item = np.array([items + [0] * (width - len(items)) for items in lists])
    length = np.array([len(items) for items in lists])
    return TrainingWindows(steps_of(item), length, np.minimum(new, length), np.ones(len(lists), dtype=np.bool_))


def test_windows_unroll_the_rings_after_the_batch(config: ModelConfig) -> None:
    memory = new_user_states(config, 3)
    for batch in (batch_of([0, 0, 2], [1, 2, 9]), batch_of([0, 0, 0, 0, 1, 1], [3, 4, 5, 6, 7, 8])):
        after = memory.copy()
        Timeline(batch, memory).advance(after)
        memory = after
        windows = last_windows(batch, after)
    assert windows.item.tolist() == [[2, 3, 4, 5, 6], [7, 8, 0, 0, 0]]
    assert windows.length.tolist() == [5, 2]
    assert windows.new.tolist() == [4, 2]
    assert windows.whole.tolist() == [False, True]


def test_targets_are_new_events_with_an_item_and_a_past() -> None:
    windows = windows_of([1, 2, 0, 4], [5, 6], [7], new=3)
    assert list(zip(*windows.targets(), strict=True)) == [(0, 1), (0, 3), (1, 0), (1, 1), (2, 0)]
    cut = TrainingWindows(windows.steps, windows.length, windows.new, np.zeros(3, dtype=np.bool_))
    assert list(zip(*cut.targets(), strict=True)) == [(0, 1), (0, 3), (1, 1)]


def test_joined_windows_are_cut_to_the_longest() -> None:
    joined = join([windows_of([1]), windows_of([2, 3], [4])])
    assert joined.item.tolist() == [[1, 0], [2, 3], [4, 0]]


def test_queue_gives_the_oldest_first_and_splits_between_windows() -> None:
    queue = WindowQueue(100)
    queue.put(windows_of([1, 2], [3, 4], [5], new=2))
    queue.put(windows_of([6, 7], new=2))
    assert queue.events == 7
    assert [part.item[:, 0].tolist() for part in queue.take(4)] == [[1, 3]]
    assert [part.item[:, 0].tolist() for part in queue.take(100)] == [[5], [6]]
    assert queue.events == 0
    assert queue.take(1) == []


def test_queue_gives_at_least_one_window_and_never_two_beyond_the_limit() -> None:
    queue = WindowQueue(100)
    queue.put(windows_of([1, 2, 3], [4], new=3))
    queue.put(windows_of([5, 6, 7], new=3))
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[1]]
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[4]]
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[5]]


def test_full_queue_drops_the_oldest_and_counts_them() -> None:
    queue = WindowQueue(4)
    for item in (1, 3, 5):
        queue.put(windows_of([item, item + 1], new=2))
    assert (queue.events, queue.dropped) == (4, 2)
    assert queue.take(100)[0].item[0, 0] == 3


def test_reservoir_is_bounded_and_keeps_whole_windows() -> None:
    reservoir = Reservoir(LearnerConfig(reservoir_windows=10), 5, np.random.default_rng(0))
    for start in range(1, 61, 3):
        reservoir.put(windows_of([start, start + 1], [start + 2], new=2))
    assert len(reservoir) == 10
    sample = reservoir.sample(100)
    assert len(sample) == 10
    assert sample.new.tolist() == sample.length.tolist()
    first = sample.item[:, 0]
    assert len(set(first.tolist())) == 10
    assert first.max() > 30
    pairs = sample.item[sample.length == 2]
    assert (pairs[:, 1] == pairs[:, 0] + 1).all()
    assert (pairs[:, 2:] == 0).all()


def test_window_enters_by_the_share_of_its_new_steps() -> None:
    reservoir = Reservoir(LearnerConfig(reservoir_windows=4000), 5, np.random.default_rng(0))
    reservoir.put(windows_of(*[[1, 2, 3, 4]] * 2000, new=1))
    assert len(reservoir) == pytest.approx(500, abs=80)


def test_more_windows_at_once_than_the_reservoir_holds() -> None:
    reservoir = Reservoir(LearnerConfig(reservoir_windows=3), 5, np.random.default_rng(0))
    for _ in range(3):
        reservoir.put(windows_of(*[[item] for item in range(1, 20)]))
    assert len(reservoir) == 3


def test_sampled_items_come_as_often_as_their_probability_says() -> None:
    reservoir = Reservoir(LearnerConfig(reservoir_windows=20), 5, np.random.default_rng(0))
    reservoir.put(windows_of(*[[1, 1, 2]] * 15, [3, 2000], new=5))
    for _ in range(30):  # replaced windows are no longer counted
        reservoir.put(windows_of([4, 5], [1, 2, 6], new=5))
    known, count = 2100, 400_000
    item, probability = reservoir.sample_items(count, known)
    assert len(item) == count
    assert item.min() >= 1
    assert item.max() <= known
    times = np.bincount(item, minlength=known + 1)
    of_item = np.zeros(known + 1)
    of_item[item] = probability
    assert of_item.sum() == pytest.approx(1, abs=0.001)
    np.testing.assert_allclose(times, count * of_item, atol=6 * np.sqrt(count * of_item.max()))
    held = of_item > 2 / known
    assert held.sum() >= 4
    np.testing.assert_allclose(times[held], count * of_item[held], rtol=0.03)


def test_empty_reservoir_samples_evenly() -> None:
    reservoir = Reservoir(LearnerConfig(), 5, np.random.default_rng(0))
    item, probability = reservoir.sample_items(100, 10)
    assert len(item) == 100
    np.testing.assert_allclose(probability, 0.1)
    assert len(reservoir.sample(8)) == 0
