import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import ModelConfig
from models.data.events import EventBatch
from models.training.sequences import SequenceSlices, UserSequences

CONFIG = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu")


def lives_of(counts: list[int], trained: list[int]) -> UserSequences:
    """The k-th event of all is about item k + 1."""
    total = sum(counts)
    user = np.repeat(np.arange(len(counts)), counts)
    number = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0, np.int64)
    learnt = number < np.repeat(np.array(trained, dtype=np.int64), counts)
    batch = EventBatch(user, np.arange(1, total + 1), np.ones(total, np.int64), np.arange(total) * 1000)
    return UserSequences(batch, learnt, CONFIG, None)


def news(lives: UserSequences, stretches: SequenceSlices) -> list[int]:
    """Items of all steps that are to be learnt."""
    windows = lives.windows(stretches)
    found = []
    for row, length, new in zip(windows.item, windows.length, windows.new, strict=True):
        found += row[length - new : length].tolist()
    return sorted(found)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=12),
    st.integers(1, 15),
    st.integers(0, 5),
)
def test_each_event_is_the_news_of_one_stretch(users: list[tuple[int, float]], longest: int, seed: int) -> None:
    counts = [count for count, _ in users]
    trained = [round(count * share) for count, share in users]
    lives = lives_of(counts, trained)
    first = np.cumsum(counts) - counts
    learnt = [int(begin) + 1 + at for begin, count in zip(first, trained, strict=True) for at in range(count)]
    cut = lives.cut(np.random.default_rng(seed), longest)
    assert news(lives, cut) == learnt
    assert (cut.length <= longest).all()
    assert (cut.length > 0).all()
    rest = lives.rest(CONFIG.history_length)
    assert news(lives, rest) == sorted(set(range(1, sum(counts) + 1)) - set(learnt))
    for stretches in (cut, rest):
        windows = lives.windows(stretches)
        begins = windows.item[:, 0] - 1
        np.testing.assert_array_equal(windows.whole, np.isin(begins, first))
        for row, length in zip(windows.item, windows.length, strict=True):
            assert (np.diff(row[:length]) == 1).all()
            assert not row[length:].any()


def test_events_held_out_are_read_behind_those_before_them() -> None:
    lives = lives_of([20], [12])
    windows = lives.windows(lives.rest(ring=5))
    assert [row[:length].tolist() for row, length in zip(windows.item, windows.length, strict=True)] == [
        list(range(8, 18)),
        list(range(13, 21)),
    ]
    assert windows.new.tolist() == [5, 3]


def test_long_lives_are_cut_elsewhere_each_time_and_short_ones_never() -> None:
    lives = lives_of([30, 4], [30, 4])
    generator = np.random.default_rng(0)
    begins = {tuple(lives.cut(generator, 10).begin.tolist()) for _ in range(20)}
    assert len(begins) > 5
    assert all(30 in each and 31 not in each for each in begins)


def test_noise_leaves_out_some_steps_and_keeps_the_order() -> None:
    lives = lives_of([50] * 40, [50] * 40)
    generator = np.random.default_rng(0)
    windows = lives.windows(lives.cut(generator, 50), generator, noise=0.2)
    assert 0.7 < windows.length.sum() / 2000 < 0.9
    for row, length in zip(windows.item, windows.length, strict=True):
        assert length > 0
        assert (np.diff(row[:length]) > 0).all()
        assert not row[length:].any()
    np.testing.assert_array_equal(windows.new, windows.length)


def test_what_is_held_out_cannot_come_first() -> None:
    batch = EventBatch(np.zeros(3, np.int64), np.array([1, 2, 3]), np.ones(3, np.int64), np.arange(3))
    with pytest.raises(ValueError, match="before the others"):
        UserSequences(batch, np.array([True, False, True]), CONFIG, None)
