import numpy as np
import pytest

from models.policy.bandits.reward_model import RewardModel, RewardModelSettings
from models.policy.deep_q.later_effects import LaterInputs, LaterPlaces, later_effects
from models.policy.features import EXPOSURE_MEMORY
from models.policy.slate import Outcomes

DISCOUNT = 0.8
EXAMINATION = np.array([1.0, 0.5])
SHOWN = np.array([[0, 1], [2, -1]])
LATER = np.array([[[0, 0], [1, 3], [0, 2]], [[2, 1], [2, 2], [2, 0]]])
KNOWN = np.array([3, 1])  # the second user came once more
EXPOSURE = np.array([[[2.0, 2.0], [1.5, 0.0], [3.0, 0.0]], [[1.2, 0.0], [0.0, 0.0], [0.0, 0.0]]])
INTEREST = np.full(LATER.shape, 0.4)


@pytest.fixture(scope="module")
def model() -> RewardModel:
    """That of rewards which fade with exposure."""
    random = np.random.default_rng(0)
    settings = RewardModelSettings(1, exposure_rates=(0.1, 0.4), examination=tuple(EXAMINATION))
    fading = RewardModel(settings)
    for _ in range(5):
        interest, exposure = random.random((2000, 1)), random.random((2000, 1)) * 5
        rewards = interest * np.exp(-0.3 * exposure) + random.normal(0, 0.05, interest.shape)
        items = np.full(interest.shape, 9)
        fading.learn(
            Outcomes(np.arange(2000), items, interest, exposure[..., None], np.zeros((2000, 0)), interest, rewards)
        )
    return fading


def effects(model: RewardModel, advantage: float, deviations: float) -> np.ndarray:
    pairs = LaterPlaces.of(SHOWN, LATER, KNOWN)
    later_row = pairs.decision, pairs.step, pairs.later_place
    later = LaterInputs(INTEREST[later_row], EXPOSURE[later_row], np.full(len(pairs.step), advantage))
    return later_effects(model, pairs, later, SHOWN.shape, DISCOUNT, deviations)


def test_an_effect_is_the_return_less_that_without_the_place(model: RewardModel) -> None:
    def later_return(user: int, removed: int | None) -> float:
        total = 0.0
        for step in range(KNOWN[user]):
            exposure = EXPOSURE[user, step].copy()
            if removed is not None:
                fades = LATER[user, step] == SHOWN[user, removed]
                exposure[fades] -= EXAMINATION[removed] * EXPOSURE_MEMORY**step
            mean = model.mean(np.full(2, -1), INTEREST[user, step], exposure[:, None])
            total += DISCOUNT ** (step + 1) * float(mean @ EXAMINATION)
        return total

    computed = effects(model, advantage=0.0, deviations=0.0)
    for user, place in ((0, 0), (0, 1), (1, 0)):
        expected = (later_return(user, None) - later_return(user, place)) / EXAMINATION[place]
        assert computed[user, place] == pytest.approx(expected, rel=1e-6)
        assert computed[user, place] < -0.01
    assert computed[1, 1] == 0


def test_what_comes_later_still_is_the_advantage_of_the_last_place_of_the_category(model: RewardModel) -> None:
    difference = effects(model, advantage=-1.0, deviations=0.0) - effects(model, advantage=0.0, deviations=0.0)
    last_step = np.array([[2, 1], [0, np.inf]])
    np.testing.assert_allclose(difference, -((DISCOUNT * EXPOSURE_MEMORY) ** (last_step + 1)))


def test_what_is_not_certain_is_no_effect(model: RewardModel) -> None:
    certain, doubted = effects(model, 0.0, 0.0), effects(model, 0.0, 2.0)
    assert (np.abs(doubted[certain < 0]) < np.abs(certain[certain < 0])).all()
    assert (doubted <= 0).all()
    new = RewardModel(model.settings)
    assert not effects(new, 0.0, 2.0).any()


def test_without_later_places_there_is_no_effect(model: RewardModel) -> None:
    pairs = LaterPlaces.of(np.full((1, 2), -1), np.full((1, 3, 2), -1), np.array([3]))
    nothing = LaterInputs(np.zeros(0), np.zeros(0), np.zeros(0))
    assert not later_effects(model, pairs, nothing, (1, 2), DISCOUNT, 0.0).any()
