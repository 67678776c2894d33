from dataclasses import replace

import numpy as np
import pytest

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.influence import InfluenceLimits
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.training.replay_buffer import ReplayBuffer, TrainingWindows, WindowQueue, last_windows
from tests.unit.models.sequences import features_of


def batch_of(user: list[int], item: list[int]) -> EventBatch:
    zeros = np.zeros(len(user), dtype=np.int64)
    return EventBatch(np.array(user), np.array(item), zeros, zeros)


def windows_of(*lists: list[int], new_events: int = 1, width: int = 5) -> TrainingWindows:
    item = np.array([items + [0] * (width - len(items)) for items in lists])
    length = np.array([len(items) for items in lists])
    user = np.arange(1, len(lists) + 1, dtype=np.uint32)
    profile, from_first_event = np.zeros((len(lists), 0), np.float32), np.ones(len(lists), dtype=np.bool_)
    return TrainingWindows(features_of(item), length, np.minimum(new_events, length), from_first_event, user, profile)


def test_last_windows_are_the_histories_after_the_batch(config: ModelConfig) -> None:
    rows = new_user_states(config, 3)
    for batch in (batch_of([0, 0, 2], [1, 2, 9]), batch_of([0, 0, 0, 0, 1, 1], [3, 4, 5, 6, 7, 8])):
        after = rows.copy()
        Timeline(batch, rows).advance(after)
        rows = after
        windows = last_windows(after, np.bincount(batch.user, minlength=3))
    assert windows.item.tolist() == [[2, 3, 4, 5, 6], [7, 8, 0, 0, 0]]
    assert windows.length.tolist() == [5, 2]
    assert windows.new_events.tolist() == [4, 2]
    assert windows.from_first_event.tolist() == [False, True]


def test_targets_are_new_events_with_an_item_and_a_past() -> None:
    windows = windows_of([1, 2, 0, 4], [5, 6], [7], new_events=3)
    assert list(zip(*windows.targets(), strict=True)) == [(0, 1), (0, 3), (1, 0), (1, 1), (2, 0)]
    cut = replace(windows, from_first_event=np.zeros(3, dtype=np.bool_))
    assert list(zip(*cut.targets(), strict=True)) == [(0, 1), (0, 3), (1, 1)]


def test_concatenated_windows_are_as_wide_as_the_longest() -> None:
    joined = TrainingWindows.concatenate([windows_of([1]), windows_of([2, 3], [4])])
    assert joined.item.tolist() == [[1, 0], [2, 3], [4, 0]]


def test_queue_is_first_in_first_out_and_splits_between_windows() -> None:
    queue = WindowQueue(100)
    queue.put(windows_of([1, 2], [3, 4], [5], new_events=2))
    queue.put(windows_of([6, 7], new_events=2))
    assert queue.events == 7
    assert [part.item[:, 0].tolist() for part in queue.take(4)] == [[1, 3]]
    assert [part.item[:, 0].tolist() for part in queue.take(100)] == [[5], [6]]
    assert queue.events == 0
    assert queue.take(1) == []


def test_queue_returns_at_least_one_window_and_never_two_beyond_the_limit() -> None:
    queue = WindowQueue(100)
    queue.put(windows_of([1, 2, 3], [4], new_events=3))
    queue.put(windows_of([5, 6, 7], new_events=3))
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[1]]
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[4]]
    assert [part.item[:, 0].tolist() for part in queue.take(2)] == [[5]]


def test_full_queue_drops_the_oldest_and_counts_them() -> None:
    queue = WindowQueue(4)
    for item in (1, 3, 5):
        queue.put(windows_of([item, item + 1], new_events=2))
    assert (queue.events, queue.dropped_events) == (4, 2)
    assert queue.take(100)[0].item[0, 0] == 3


def test_replay_buffer_is_bounded_and_keeps_entire_windows() -> None:
    replay_buffer = ReplayBuffer(LearnerConfig(reservoir_windows=10), 5, np.random.default_rng(0))
    for start in range(1, 61, 3):
        replay_buffer.put(windows_of([start, start + 1], [start + 2], new_events=2))
    assert len(replay_buffer) == 10
    sample = replay_buffer.sample(100)
    assert len(sample) == 10
    assert sample.new_events.tolist() == sample.length.tolist()
    first = sample.item[:, 0]
    assert len(set(first.tolist())) == 10
    assert first.max() > 30
    pairs = sample.item[sample.length == 2]
    assert (pairs[:, 1] == pairs[:, 0] + 1).all()
    assert (pairs[:, 2:] == 0).all()


def test_a_window_enters_with_the_share_of_its_new_events() -> None:
    replay_buffer = ReplayBuffer(LearnerConfig(reservoir_windows=4000), 5, np.random.default_rng(0))
    replay_buffer.put(windows_of(*[[1, 2, 3, 4]] * 2000, new_events=1))
    assert len(replay_buffer) == pytest.approx(500, abs=80)


def test_more_windows_at_once_than_the_replay_buffer_holds() -> None:
    replay_buffer = ReplayBuffer(LearnerConfig(reservoir_windows=3), 5, np.random.default_rng(0))
    for _ in range(3):
        replay_buffer.put(windows_of(*[[item] for item in range(1, 20)]))
    assert len(replay_buffer) == 3


def test_sampled_items_come_as_often_as_their_probability_says() -> None:
    replay_buffer = ReplayBuffer(LearnerConfig(reservoir_windows=20), 5, np.random.default_rng(0))
    replay_buffer.put(windows_of(*[[1, 1, 2]] * 15, [3, 2000], new_events=5))
    for _ in range(30):  # replaced windows are no longer counted
        replay_buffer.put(windows_of([4, 5], [1, 2, 6], new_events=5))
    known_items, count = 2100, 400_000
    item, probability = replay_buffer.sample_items(count, known_items)
    assert len(item) == count
    assert item.min() >= 1
    assert item.max() <= known_items
    draws = np.bincount(item, minlength=known_items + 1)
    of_item = np.zeros(known_items + 1)
    of_item[item] = probability
    assert of_item.sum() == pytest.approx(1, abs=0.001)
    np.testing.assert_allclose(draws, count * of_item, atol=6 * np.sqrt(count * of_item.max()))
    frequent = of_item > 2 / known_items
    assert frequent.sum() >= 4
    np.testing.assert_allclose(draws[frequent], count * of_item[frequent], rtol=0.03)


def test_empty_replay_buffer_samples_items_uniformly() -> None:
    replay_buffer = ReplayBuffer(LearnerConfig(), 5, np.random.default_rng(0))
    item, probability = replay_buffer.sample_items(100, 10)
    assert len(item) == 100
    np.testing.assert_allclose(probability, 0.1)
    assert len(replay_buffer.sample(8)) == 0


def test_windows_of_a_flood_are_not_replayed() -> None:
    limits = InfluenceLimits(max_repeats=1)
    replay_buffer = ReplayBuffer(LearnerConfig(reservoir_windows=4000), 20, np.random.default_rng(0))
    replay_buffer.put(windows_of(*[[7] * 20] * 2000, new_events=20, width=20), limits)
    assert len(replay_buffer) < 5  # one of 8 000 each
    replay_buffer.put(windows_of(*[[*range(1, 21)]] * 2000, new_events=20, width=20), limits)
    assert len(replay_buffer) >= 2000


def test_a_restored_replay_buffer_has_the_same_windows() -> None:
    random = np.random.default_rng(1)
    buffer = ReplayBuffer(LearnerConfig(reservoir_windows=8), 5, random)
    buffer.put(windows_of([1, 2, 3], [4, 500, 7], [2], [9, 9], new_events=5))
    restored, smaller = (ReplayBuffer(LearnerConfig(reservoir_windows=n), 5, np.random.default_rng(2)) for n in (8, 3))
    restored.put(windows_of([3], [4], [5], [6], [7], [8]))
    for other in (restored, smaller):
        other.restore(buffer.state())
    assert (len(restored), len(smaller)) == (4, 3)
    for name, array in buffer.state().items():
        np.testing.assert_array_equal(restored.state()[name], array)
        np.testing.assert_array_equal(smaller.state()[name], array[:3])
    of_9 = [dict(zip(*map(np.ndarray.tolist, of.sample_items(1000, 600)), strict=True))[9] for of in (buffer, restored)]
    assert of_9[0] == of_9[1]
    restored.put(windows_of([1, 2], new_events=2))
    assert len(restored) == 5


def test_windows_of_forgotten_users_neither_wait_nor_are_replayed() -> None:
    windows = windows_of([1, 2], [3, 4], [5, 6], new_events=2)
    queue = WindowQueue(100)
    queue.put(windows)
    queue.put(windows[np.array([1])])
    queue.forget_users(np.array([2], np.uint32))
    assert [block.item[:, :2].tolist() for block in queue.take(100)] == [[[1, 2], [5, 6]]]
    assert queue.events == 0
    buffer = ReplayBuffer(LearnerConfig(reservoir_windows=8), 5, np.random.default_rng(0))
    buffer.put(windows)
    assert len(buffer) == 3
    buffer.forget_users(np.array([1, 0], np.uint32))
    assert sorted(buffer.sample(9).item[:, 0].tolist()) == [3, 5]
    assert set(buffer.sample_items(200, 6)[0][:20].tolist()) == {3, 4, 5, 6}
    restored = ReplayBuffer(LearnerConfig(reservoir_windows=8), 5, np.random.default_rng(0))
    restored.restore(buffer.state())
    restored.forget_users(np.array([3], np.uint32))
    assert restored.sample(9).item[:, 0].tolist() == [3]
