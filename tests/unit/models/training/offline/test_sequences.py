import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import ModelConfig
from models.data.events import EventBatch
from models.training.offline.sequences import SequenceSlices, UserSequences

CONFIG = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu")


def sequences_of(counts: list[int], training_counts: list[int]) -> UserSequences:
    """The k-th event of all is about item k + 1."""
    total = sum(counts)
    user = np.repeat(np.arange(len(counts)), counts)
    number = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0, np.int64)
    training_items = number < np.repeat(np.array(training_counts, dtype=np.int64), counts)
    batch = EventBatch(user, np.arange(1, total + 1), np.ones(total, np.int64), np.arange(total) * 1000)
    return UserSequences(batch, training_items, CONFIG, None)


def target_items(sequences: UserSequences, slices: SequenceSlices) -> list[int]:
    """Items of all targets."""
    windows = sequences.windows(slices)
    items = []
    for row, length, new_events in zip(windows.item, windows.length, windows.new_events, strict=True):
        items += row[length - new_events : length].tolist()
    return sorted(items)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 5),
)
def test_each_event_is_a_target_of_exactly_one_slice(
    users: list[tuple[int, float]], max_length: int, seed: int
) -> None:
    counts = [count for count, _ in users]
    training_counts = [round(count * share) for count, share in users]
    sequences = sequences_of(counts, training_counts)
    first = np.cumsum(counts) - counts
    training_items = [
        int(begin) + 1 + number for begin, count in zip(first, training_counts, strict=True) for number in range(count)
    ]
    training_slices = sequences.training_slices(np.random.default_rng(seed), max_length)
    assert target_items(sequences, training_slices) == training_items
    assert (training_slices.length <= max_length).all()
    assert (training_slices.length > 0).all()
    held_out_slices = sequences.held_out_slices(CONFIG.history_length)
    assert target_items(sequences, held_out_slices) == sorted(set(range(1, sum(counts) + 1)) - set(training_items))
    for slices in (training_slices, held_out_slices):
        windows = sequences.windows(slices)
        begins = windows.item[:, 0] - 1
        np.testing.assert_array_equal(windows.from_first_event, np.isin(begins, first))
        for row, length in zip(windows.item, windows.length, strict=True):
            assert (np.diff(row[:length]) == 1).all()
            assert not row[length:].any()


def test_held_out_events_come_behind_their_history() -> None:
    sequences = sequences_of([20], [12])
    windows = sequences.windows(sequences.held_out_slices(history_length=5))
    assert [row[:length].tolist() for row, length in zip(windows.item, windows.length, strict=True)] == [
        list(range(8, 18)),
        list(range(13, 21)),
    ]
    assert windows.new_events.tolist() == [5, 3]


def test_long_sequences_are_cut_elsewhere_each_time_and_short_ones_never() -> None:
    sequences = sequences_of([30, 4], [30, 4])
    generator = np.random.default_rng(0)
    begins = {tuple(sequences.training_slices(generator, 10).begin.tolist()) for _ in range(20)}
    assert len(begins) > 5
    assert all(30 in drawn and 31 not in drawn for drawn in begins)


def test_event_dropout_leaves_out_some_events_and_keeps_the_order() -> None:
    sequences = sequences_of([50] * 40, [50] * 40)
    generator = np.random.default_rng(0)
    windows = sequences.windows(sequences.training_slices(generator, 50), generator, event_dropout=0.2)
    assert 0.7 < windows.length.sum() / 2000 < 0.9
    for row, length in zip(windows.item, windows.length, strict=True):
        assert length > 0
        assert (np.diff(row[:length]) > 0).all()
        assert not row[length:].any()
    np.testing.assert_array_equal(windows.new_events, windows.length)


def test_held_out_events_before_training_events_are_an_error() -> None:
    batch = EventBatch(np.zeros(3, np.int64), np.array([1, 2, 3]), np.ones(3, np.int64), np.arange(3))
    with pytest.raises(ValueError, match="before those held out"):
        UserSequences(batch, np.array([True, False, True]), CONFIG, None)
