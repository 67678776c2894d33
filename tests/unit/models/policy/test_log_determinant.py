"""Gains in log-determinant against determinants that numpy computes."""

from itertools import combinations

import numpy as np
import pytest

from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.log_determinant import LogDeterminantGain
from models.policy.rules import DPP, PlacesFilled, SlateRules
from models.policy.slate import NO_ITEM, CandidateBatch
from tests.unit.models.policy.decisions import FEATURES, batch_of

WEIGHT = 0.05


def similarities(categories: np.ndarray) -> np.ndarray:
    """[C, C] by sets in Python."""
    sets = [set(row[row >= 0].tolist()) for row in categories]
    size = len(sets)
    matrix = np.eye(size)
    for i, j in combinations(range(size), 2):
        norm = np.sqrt(max(len(sets[i]), 1) * max(len(sets[j]), 1))
        matrix[i, j] = matrix[j, i] = 0.95 * len(sets[i] & sets[j]) / norm
    return matrix


def log_det(matrix: np.ndarray, items: list[int]) -> float:
    return float(np.linalg.slogdet(matrix[np.ix_(items, items)])[1])


@pytest.mark.parametrize("seed", range(5))
def test_gains_are_the_differences_of_log_determinants(seed: int) -> None:
    random = np.random.default_rng(seed)
    batch = batch_of(random, 3, 8)
    assert batch.categories is not None
    gain = LogDeterminantGain(batch)
    slates: list[list[int]] = [[], [], []]
    for _ in range(4):
        for row, slate in enumerate(slates):
            matrix = similarities(batch.categories[row])
            expected = [log_det(matrix, [*slate, item]) - log_det(matrix, slate) if slate else 0.0 for item in range(8)]
            left = [item for item in range(8) if item not in slate]
            assert gain.gain[row, left] == pytest.approx([expected[item] for item in left], abs=1e-9)
        position = np.array([random.choice([item for item in range(8) if item not in slate]) for slate in slates])
        position[2] = NO_ITEM
        gain.fill(position)
        slates[0].append(int(position[0]))
        slates[1].append(int(position[1]))


def test_greedy_takes_the_step_to_the_most_probable_slate_and_softmax_draws_by_the_kernel() -> None:
    batch = batch_of(np.random.default_rng(1), 1, 6)
    assert batch.categories is not None
    rules, settings = SlateRules(diversity=WEIGHT, diversity_by=DPP), RewardModelSettings(FEATURES)
    greedy = Greedy(settings, rules=rules)
    softmax = Softmax(settings, SoftmaxOptions(WEIGHT), rules)
    score, matrix = (
        batch.interest[0],
        similarities(batch.categories[0]),
    )  # what nothing was learnt of is worth its interest
    kernel = np.exp(score / WEIGHT / 2)[:, None] * matrix * np.exp(score / WEIGHT / 2)
    chosen = greedy.act_batch(batch, 3, np.random.default_rng(0)).chosen
    p = softmax.slate_probabilities(batch, chosen, np.random.default_rng(0))[0]
    slate: list[int] = []
    for place in range(3):
        determinants = [np.exp(log_det(kernel, [*slate, i])) if i not in slate else 0.0 for i in range(6)]
        assert int(np.argmax(determinants)) == chosen[0, place]
        assert p[place] == pytest.approx(np.array(determinants) / sum(determinants))
        slate.append(int(chosen[0, place]))


def test_without_all_categories_the_first_stands_for_them() -> None:
    batch = batch_of(np.random.default_rng(2), 1, 4)
    first = CandidateBatch(batch.items, batch.interest, batch.features, batch.context, np.array([[0, 0, 1, 2]]))
    gain = LogDeterminantGain(first)
    gain.fill(np.array([0]))
    assert gain.gain[0, 1:] == pytest.approx([np.log(1 - 0.95**2), 0, 0])
    with pytest.raises(ValueError, match="categories"):
        PlacesFilled(
            SlateRules(diversity=1, diversity_by=DPP),
            CandidateBatch(batch.items, batch.interest, batch.features, batch.context),
        )
