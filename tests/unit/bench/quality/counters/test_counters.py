import numpy as np

from bench.quality.counters.counters import Markov, Mix, Popularity, Settings, grid

EVER = Settings(half_life=1e12, popularity=0.1)


def test_popularity_halves_after_its_half_life() -> None:
    settings = Settings(half_life=2)
    counter = Popularity([settings])
    for item in (1, 2, 2):
        counter.observe([], item)
    shares = counter.weights([], 3, settings)
    np.testing.assert_allclose(shares * (0.5 + 0.5**0.5 + 1), [0, 0.5, 0.5**0.5 + 1, 0])


def test_popularity_lasts_however_many_events_there_are() -> None:
    settings = Settings(half_life=1)
    counter = Popularity([settings])
    for item in [1] * 2000 + [2]:
        counter.observe([], item)
    np.testing.assert_allclose(counter.weights([], 2, settings), [0, 0.5, 0.5])


def test_markov_gives_shares_of_what_followed_and_a_little_popularity() -> None:
    counter = Markov([EVER])
    for before, item in (([], 1), ([1], 2), ([1, 2], 1), ([1, 2, 1], 3)):
        counter.observe(before, item)
    np.testing.assert_allclose(counter.weights([9, 1], 3, EVER), [0, 0.05, 0.5 + 0.025, 0.5 + 0.025])
    np.testing.assert_allclose(counter.weights([], 3, EVER), [0, 0.05, 0.025, 0.025])


def test_the_mix_adds_recency_at_its_weight() -> None:
    plain, recent = Settings(1e12), Settings(1e12, recency=3.0)
    counter = Mix([plain])
    for before, item in (([], 1), ([1], 2), ([1, 2], 3)):
        counter.observe(before, item)
    without, with_recency = counter.weights([2, 3], 3, plain), counter.weights([2, 3], 3, recent)
    np.testing.assert_allclose(with_recency - without, [0, 0, 1, 2])
    # Item 3 is the only one that ever followed item 2; nothing followed item 3.
    np.testing.assert_allclose(without, [0, 0.02 / 3, 0.02 / 3, 1 + 0.02 / 3])


def test_the_mix_counts_earlier_items_less() -> None:
    settings = Settings(1e12, popularity=0.0, skip_decay=0.5)
    counter = Mix([settings])
    for before, item in (([1], 3), ([2], 4)):
        counter.observe(before, item)
    np.testing.assert_allclose(counter.weights([1, 2], 4, settings), [0, 0, 0, 1 / 3, 2 / 3])


def test_settings_to_choose_from_differ_and_have_recency_only_where_items_come_back() -> None:
    assert len(set(grid("allow"))) == len(grid("allow"))
    assert {settings.recency for settings in grid("filter")} == {0}
    assert len({settings.recency for settings in grid("allow")}) > 1
