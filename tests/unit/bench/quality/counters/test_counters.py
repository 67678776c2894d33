import numpy as np

from bench.quality.counters.counters import CounterSettings, MarkovChain, Popularity, SkipMarkovMix, settings_grid

NO_DECAY = CounterSettings(half_life=1e12, popularity=0.1)


def test_popularity_halves_after_its_half_life() -> None:
    settings = CounterSettings(half_life=2)
    counter = Popularity([settings])
    for item in (1, 2, 2):
        counter.observe([], item)
    shares = counter.weights([], 3, settings)
    np.testing.assert_allclose(shares * (0.5 + 0.5**0.5 + 1), [0, 0.5, 0.5**0.5 + 1, 0])


def test_popularity_does_not_overflow() -> None:
    settings = CounterSettings(half_life=1)
    counter = Popularity([settings])
    for item in [1] * 2000 + [2]:
        counter.observe([], item)
    np.testing.assert_allclose(counter.weights([], 2, settings), [0, 0.5, 0.5])


def test_markov_weights_are_successor_shares_plus_weighted_popularity() -> None:
    counter = MarkovChain([NO_DECAY])
    for history, item in (([], 1), ([1], 2), ([1, 2], 1), ([1, 2, 1], 3)):
        counter.observe(history, item)
    np.testing.assert_allclose(counter.weights([9, 1], 3, NO_DECAY), [0, 0.05, 0.5 + 0.025, 0.5 + 0.025])
    np.testing.assert_allclose(counter.weights([], 3, NO_DECAY), [0, 0.05, 0.025, 0.025])


def test_the_mix_adds_weighted_recency() -> None:
    plain, recent = CounterSettings(1e12), CounterSettings(1e12, recency=3.0)
    counter = SkipMarkovMix([plain])
    for history, item in (([], 1), ([1], 2), ([1, 2], 3)):
        counter.observe(history, item)
    without, with_recency = counter.weights([2, 3], 3, plain), counter.weights([2, 3], 3, recent)
    np.testing.assert_allclose(with_recency - without, [0, 0, 1, 2])
    # Item 3 is the only one that ever followed item 2; nothing followed item 3.
    np.testing.assert_allclose(without, [0, 0.02 / 3, 0.02 / 3, 1 + 0.02 / 3])


def test_the_mix_counts_earlier_items_less() -> None:
    settings = CounterSettings(1e12, popularity=0.0, skip_decay=0.5)
    counter = SkipMarkovMix([settings])
    for history, item in (([1], 3), ([2], 4)):
        counter.observe(history, item)
    np.testing.assert_allclose(counter.weights([1, 2], 4, settings), [0, 0, 0, 1 / 3, 2 / 3])


def test_the_settings_grid_has_recency_only_with_repeats() -> None:
    assert len(set(settings_grid(allow_repeats=True))) == len(settings_grid(allow_repeats=True))
    assert {settings.recency for settings in settings_grid(allow_repeats=False)} == {0}
    assert len({settings.recency for settings in settings_grid(allow_repeats=True)}) > 1
