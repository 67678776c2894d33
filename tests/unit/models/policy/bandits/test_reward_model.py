import numpy as np
import pytest

from models.policy.bandits.reward_model import RewardModel, RewardModelSettings
from models.policy.slate import Outcomes


def outcomes(items: np.ndarray, x: np.ndarray, rewards: np.ndarray, weights: np.ndarray | None = None) -> Outcomes:
    count = len(items)
    return Outcomes(
        np.arange(count), items, x[..., 0], x[..., 1:], np.zeros((count, 0)), np.ones(items.shape), rewards, weights
    )


def test_weights_are_those_of_ridge_regression() -> None:
    random = np.random.default_rng(0)
    x = random.random((500, 1, 3))
    rewards = (0.2 + x @ [0.5, -0.3, 0.1]) + random.normal(0, 0.1, (500, 1))
    model = RewardModel(RewardModelSettings(2, weight_deviation=0.5, item_deviation=1e-9))
    for part in np.array_split(np.arange(500), 7):
        model.learn(outcomes(np.zeros((len(part), 1), np.int64), x[part], rewards[part]))
    design = np.c_[np.ones(500), x[:, 0]]
    precision = np.eye(4) / 0.25 + design.T @ design / model.noise
    moment = np.array([0, 1, 0, 0]) / 0.25 + design.T @ rewards[:, 0] / model.noise
    np.testing.assert_allclose(model.weights, np.linalg.solve(precision, moment), rtol=1e-6)
    deviation = model.deviation(np.zeros(1, np.int64), x[0, :, 0], x[0, :, 1:])
    assert deviation**2 == pytest.approx(design[0] @ np.linalg.solve(precision, design[0]), rel=1e-5)
    assert 0.01 < model.noise < 0.03  # the first residuals are those of the prior


def test_draws_have_mean_and_deviation_of_the_posterior() -> None:
    random = np.random.default_rng(0)
    model = RewardModel(RewardModelSettings(2))
    model.learn(outcomes(random.integers(0, 5, (300, 2)), random.random((300, 2, 3)), random.random((300, 2))))
    items, interest, features = np.array([0, 3, 17]), random.random(3), random.random((3, 2))
    draws = model.draws(items, interest, features, 20_000, random)
    np.testing.assert_allclose(draws.mean(0), model.mean(items, interest, features), atol=0.002)
    np.testing.assert_allclose(draws.std(0), model.deviation(items, interest, features), rtol=0.05)


def test_an_item_differs_from_its_features_once_it_was_seen() -> None:
    random = np.random.default_rng(0)
    model = RewardModel(RewardModelSettings(0, item_deviation=0.2))
    items = random.integers(0, 4, (4000, 1))
    rate = np.array([0.1, 0.1, 0.1, 0.4])
    model.learn(outcomes(items, np.full((4000, 1, 1), 0.1), (random.random((4000, 1)) < rate[items]) * 1.0))
    model.learn(outcomes(items, np.full((4000, 1, 1), 0.1), (random.random((4000, 1)) < rate[items]) * 1.0))
    mean = model.mean(np.arange(5), np.full(5, 0.1), np.zeros((5, 0)))
    np.testing.assert_allclose(mean[:4], rate, atol=0.04)
    _, deviation = model.item_posterior(np.array([3, 4]))
    assert deviation[0] < 0.02
    assert deviation[1] == pytest.approx(0.2)


def test_examination_corrects_what_places_hide() -> None:
    random = np.random.default_rng(0)
    examination = np.array([1.0, 0.3])
    items = np.tile([[0, 1]], (6000, 1))  # the second item always stands where few look
    clicked = (random.random((6000, 2)) < examination * [0.2, 0.4]) * 1.0
    features = np.full((6000, 2, 1), 0.1)
    naive, corrected = (
        RewardModel(RewardModelSettings(0, item_deviation=0.3, examination=known)) for known in ((), (1.0, 0.3))
    )
    for model in (naive, corrected):
        for part in np.array_split(np.arange(6000), 6):
            model.learn(outcomes(items[part], features[part], clicked[part]))
    arguments = np.arange(2), np.full(2, 0.1), np.zeros((2, 0))
    assert naive.mean(*arguments)[0] > naive.mean(*arguments)[1]
    np.testing.assert_allclose(corrected.mean(*arguments), [0.2, 0.4], atol=0.05)


def test_what_weighs_nothing_teaches_nothing() -> None:
    random = np.random.default_rng(0)
    items, x, rewards = random.integers(0, 5, (50, 2)), random.random((50, 2, 3)), random.random((50, 2))
    model = RewardModel(RewardModelSettings(2))
    model.learn(outcomes(items, x, rewards, np.zeros((50, 2))))
    np.testing.assert_allclose(model.weights, [0, 1, 0, 0], atol=1e-6)
    assert not model.item_posterior(np.arange(5))[0].any()


def test_old_rewards_are_forgotten() -> None:
    x = np.full((100, 1, 1), 0.1)
    model = RewardModel(RewardModelSettings(0, half_life=200, item_deviation=0.3))
    first = np.zeros((100, 1), np.int64)
    for reward in [0.0] * 20 + [1.0] * 20:
        model.learn(outcomes(first, x, np.full((100, 1), reward)))
    assert model.mean(np.zeros(1, np.int64), np.full(1, 0.1), np.zeros((1, 0)))[0] > 0.9


def test_a_reward_that_fades_with_exposure_is_learnt_with_how_certain_that_is() -> None:
    random = np.random.default_rng(0)
    interest, exposure = random.random((4000, 1)), random.random((4000, 1)) * 20
    x = np.stack([interest, exposure], -1)
    fading, same = (RewardModel(RewardModelSettings(1, exposure_rates=(0.05, 0.2, 0.8))) for _ in range(2))
    for part in np.array_split(np.arange(4000), 10):
        items, noise = np.zeros((len(part), 1), np.int64), random.normal(0, 0.2, (len(part), 1))
        fading.learn(outcomes(items, x[part], interest[part] * np.exp(-0.3 * exposure[part]) + noise))
        same.learn(outcomes(items, x[part], interest[part] + noise))
    asked = np.array([[0.8, 1.0], [0.8, 5.0], [0.8, 15.0], [0.3, 5.0]])
    truth = asked[:, 0] * np.exp(-0.3 * asked[:, 1])
    np.testing.assert_allclose(fading.mean(np.zeros(4, np.int64), asked[:, 0], asked[:, 1:]), truth, atol=0.04)
    change = fading.exposure_inputs(asked[:, 0], asked[:, 1]) - fading.exposure_inputs(asked[:, 0], np.zeros(4))
    mean, deviation = fading.exposure_effect(change)
    np.testing.assert_allclose(mean, truth - asked[:, 0], atol=0.12)
    assert (np.abs(mean) > 5 * deviation).all()
    mean, deviation = same.exposure_effect(change)
    assert (np.abs(mean) < 3 * deviation).all()


def test_an_exposure_below_zero_is_none() -> None:
    model = RewardModel(RewardModelSettings(1, exposure_rates=(0.8,)))
    np.testing.assert_array_equal(model.exposure_inputs(np.ones(2), np.array([-1e9, 0.0])), np.zeros((2, 2)))
