from dataclasses import replace

import numpy as np
import pytest

from models.policy.guard import GuardSettings, InfluenceGuard
from models.policy.slate import NO_ITEM, Outcomes


def outcomes(users: np.ndarray, items: np.ndarray, rewards: np.ndarray) -> Outcomes:
    shape = items.shape
    return Outcomes(
        users, items, np.zeros(shape), np.zeros((*shape, 0)), np.zeros((len(users), 0)), np.ones(shape), rewards
    )


def test_who_clicks_one_item_at_every_sight_soon_teaches_nothing_of_it() -> None:
    random, guard = np.random.default_rng(0), InfluenceGuard()
    users = np.arange(100)
    taught = np.zeros(100)
    for _ in range(60):
        items = np.stack([np.zeros(100, np.int64), random.integers(1, 20, 100)], 1)
        rewards = (random.random((100, 2)) < 0.1) * 1.0
        rewards[:3, 0] = 1  # users 0 to 2 attack item 0
        weighted = guard.weighted(outcomes(users, items, rewards))
        assert weighted.weights is not None
        taught += weighted.weights[:, 0] * rewards[:, 0]
        assert (weighted.weights[:3, 1] == 1).all()  # their other clicks count
    assert taught[:3].max() <= 5
    # Of the others, who click one sight in ten, almost all counts.
    assert taught[3:].mean() > 5
    assert 3 * 55 <= guard.left_out < 3 * 55 + 10


def test_fans_of_an_item_are_believed() -> None:
    random, guard = np.random.default_rng(0), InfluenceGuard()
    users = np.arange(50)
    weight = []
    for _ in range(100):
        rate = np.where(users < 10, 0.3, 0.1)[:, None]
        weighted = guard.weighted(outcomes(users, np.zeros((50, 1), np.int64), (random.random((50, 1)) < rate) * 1.0))
        assert weighted.weights is not None
        weight.append(weighted.weights[:10])
    assert np.mean(weight) > 0.97


def test_who_lets_a_sight_pass_is_believed_for_a_while() -> None:
    guard, items = InfluenceGuard(), np.zeros((1, 1), np.int64)
    weights = []
    for reward in [1.0] * 8 + [0.0] + [1.0] * 2:
        weighted = guard.weighted(outcomes(np.array([7]), items, np.array([[reward]])))
        assert weighted.weights is not None
        weights.append(weighted.weights[0, 0])
    assert weights == [1] * 5 + [0] * 3 + [1, 1, 0]


def test_restored_it_goes_on_and_what_is_saved_is_bounded() -> None:
    random, guard = np.random.default_rng(1), InfluenceGuard()
    users, items = np.arange(30_000), random.integers(0, 50, (30_000, 2))
    guard.weighted(outcomes(users, items, np.ones(items.shape)))
    pushed = np.zeros((3, 1), np.int64)
    for _ in range(6):
        guard.weighted(outcomes(np.array([1, 2, 3]), pushed, np.ones((3, 1))))
    arrays = guard.arrays()
    assert len(arrays["bucket"]) == len(arrays["sum"]) == 16_384
    restored = InfluenceGuard()
    restored.restore(arrays)
    again = outcomes(np.array([1, 2, 3, 40_000]), np.zeros((4, 1), np.int64), np.ones((4, 1)))
    for one in (guard, restored):
        weighted = one.weighted(again)
        assert weighted.weights is not None
        assert weighted.weights[:, 0].tolist() == [0, 0, 0, 1]
    with pytest.raises(IndexError):
        InfluenceGuard(GuardSettings(buckets=4)).restore(arrays)


def test_places_without_an_item_and_weights_of_before_are_kept() -> None:
    guard = InfluenceGuard(GuardSettings(buckets=64))
    before = outcomes(np.array([1, 2]), np.array([[3, NO_ITEM], [4, 5]]), np.ones((2, 2)))
    weighted = guard.weighted(replace(before, weights=np.full((2, 2), 0.5)))
    assert weighted.weights is not None
    assert weighted.weights.tolist() == [[0.5, 0.5], [0.5, 0.5]]
