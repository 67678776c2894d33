"""Decisions at random, for the tests of policies."""

import numpy as np

from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.learnt import RewardPolicy
from models.policy.bandits.linucb import LinUCB
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.bandits.thompson import Thompson, ThompsonOptions
from models.policy.rules import SlateRules
from models.policy.slate import CandidateBatch, Outcomes

FEATURES = 3


def batch_of(random: np.random.Generator, decisions: int, candidates: int, items: int = 50) -> CandidateBatch:
    """Decisions with features in [0, 1], up to three of four categories, and about a third of the candidates fresh."""
    shape = decisions, candidates
    return CandidateBatch(
        np.stack([random.permutation(items)[:candidates] for _ in range(decisions)]),
        random.random(shape) / 5,
        random.random((*shape, FEATURES)),
        random.random((decisions, 2)),
        random.integers(0, 3, shape),
        random.random(shape) < 1 / 3,
        categories=np.stack([_some_categories(random, candidates) for _ in range(decisions)]),
    )


def _some_categories(random: np.random.Generator, candidates: int) -> np.ndarray:
    """[C, 3] each item's categories once, -1 behind them."""
    rows = np.stack([random.permutation(4)[:3] for _ in range(candidates)])
    return np.where(np.arange(3) < random.integers(0, 4, (candidates, 1)), rows, -1)


def outcomes_at_random(random: np.random.Generator, decisions: int, places: int, items: int = 50) -> Outcomes:
    """Outcomes whose rewards are 0 or 1."""
    shape = decisions, places
    return Outcomes(
        random.integers(0, 9, decisions),
        random.integers(0, items, shape),
        random.random(shape) / 5,
        random.random((*shape, FEATURES)),
        random.random((decisions, 2)),
        random.random(shape),
        (random.random(shape) < 0.2).astype(np.float64),
    )


def all_policies(rules: SlateRules | None = None) -> list[RewardPolicy]:
    """One of each kind, which learnt nothing."""
    settings = RewardModelSettings(FEATURES)
    return [
        Greedy(settings, rules=rules),
        EpsilonGreedy(settings, EpsilonGreedyOptions(0.3), rules),
        Softmax(settings, SoftmaxOptions(0.1), rules),
        Thompson(settings, ThompsonOptions(8, 1, 0.1), rules),
        LinUCB(settings, rules=rules),
    ]
