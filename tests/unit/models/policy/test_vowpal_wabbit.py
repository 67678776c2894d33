"""Estimators and bandits beside those of Vowpal Wabbit, on decisions of one place."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from vowpalwabbit import pyvw

from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.off_policy.estimators import clipped, doubly_robust, inverse_propensity
from models.policy.off_policy.intervals import estimate
from models.policy.off_policy.logged_rewards import LoggedRewards
from models.policy.off_policy.policy_rewards import logged_rewards
from models.policy.slate import CandidateBatch, FloatArray, IntArray, SlateBatch, outcomes_of

ACTIONS: Final = 3
LOGGED: Final = np.array([0.5, 0.3, 0.2])
SETTINGS: Final = RewardModelSettings(2 * ACTIONS)
DECISIONS: Final = 2000


def batch_of(x: FloatArray) -> CandidateBatch:
    """Three actions for users whose only feature is x [B]: of each action a one-hot vector, and that times x."""
    one_hot = np.broadcast_to(np.eye(ACTIONS), (len(x), ACTIONS, ACTIONS))
    features = np.concatenate([one_hot, one_hot * x[:, None, None]], -1)
    items = np.broadcast_to(np.arange(ACTIONS), features.shape[:2])
    return CandidateBatch(items, np.zeros(items.shape), features, np.zeros((len(x), 0)))


def click_rates(x: FloatArray) -> FloatArray:
    """[B, ACTIONS] the first action is best where x is small, the last where it is large."""
    return np.stack([0.5 - 0.4 * x, np.full(len(x), 0.25), 0.1 + 0.5 * x], -1)


def logged_by(random: np.random.Generator) -> tuple[FloatArray, IntArray, FloatArray]:
    """x, actions drawn by LOGGED, and their rewards."""
    x = random.random(DECISIONS)
    action = random.choice(ACTIONS, DECISIONS, p=LOGGED)
    rewards = (random.random(DECISIONS) < click_rates(x)[np.arange(DECISIONS), action]) * 1.0
    return x, action, rewards


def as_logged(policy: Greedy, x: FloatArray, action: IntArray, rewards: FloatArray) -> LoggedRewards:
    slates = SlateBatch(action[:, None], LOGGED[action][:, None])
    users = np.arange(DECISIONS)
    return logged_rewards(policy, users, batch_of(x), slates, rewards[:, None], SETTINGS, np.random.default_rng(0))


def by_vowpal_wabbit(
    cb_type: str, chosen: IntArray, x: FloatArray, action: IntArray, rewards: FloatArray, least_p: float = 0.0
) -> float:
    """Its estimate of what these choices would have earned; `least_p`: lower propensities are taken for this one."""
    workspace = pyvw.Workspace(f"--cb {ACTIONS} --eval --quiet --cb_type {cb_type}")
    for row in range(DECISIONS):
        logged = f"{action[row] + 1}:{rewards[row]}:{max(LOGGED[action[row]], least_p)}"
        workspace.learn(f"{chosen[row] + 1} {logged} | a b:{x[row]}")
    total = float(workspace.get_sum_loss())
    workspace.finish()
    return total / DECISIONS


@pytest.fixture
def policy() -> Greedy:
    """Learnt from other decisions."""
    x, action, rewards = logged_by(np.random.default_rng(1))
    greedy = Greedy(SETTINGS)
    slates = SlateBatch(action[:, None], LOGGED[action][:, None])
    greedy.learn(outcomes_of(np.arange(DECISIONS), batch_of(x), slates, rewards[:, None]))
    return greedy


def test_inverse_propensities_and_clipped_ones_are_the_same(policy: Greedy) -> None:
    x, action, rewards = logged_by(np.random.default_rng(2))
    chosen = policy.act_batch(batch_of(x), 1, np.random.default_rng(0)).chosen[:, 0]
    logged = as_logged(policy, x, action, rewards)
    ips = by_vowpal_wabbit("ips", chosen, x, action, rewards)
    assert inverse_propensity(logged).value() == pytest.approx(ips, rel=1e-5)
    at_most_four = by_vowpal_wabbit("ips", chosen, x, action, rewards, 0.25)
    assert clipped(logged, 4).value() == pytest.approx(at_most_four, rel=1e-5)
    assert at_most_four < 0.99 * ips


def test_doubly_robust_estimates_agree_within_their_intervals(policy: Greedy) -> None:
    for seed in (3, 4, 5):
        x, action, rewards = logged_by(np.random.default_rng(seed))
        chosen = policy.act_batch(batch_of(x), 1, np.random.default_rng(0)).chosen[:, 0]
        logged = as_logged(policy, x, action, rewards)
        ours = estimate("dr", logged, np.random.default_rng(0), confidence=0.99)
        theirs = by_vowpal_wabbit("dr", chosen, x, action, rewards)  # another model: learns as it reads
        assert doubly_robust(logged).value() == ours.value
        assert ours.low < theirs < ours.high
        assert ours.low < click_rates(x)[np.arange(DECISIONS), chosen].mean() < ours.high


def test_epsilon_greedy_earns_as_much_as_that_of_vowpal_wabbit() -> None:
    random, epsilon, learnt_at_once = np.random.default_rng(6), 0.1, 50
    x, luck = random.random(DECISIONS), random.random((DECISIONS, ACTIONS))
    clicks = (luck < click_rates(x)) * 1.0  # by each action: both meet the same luck
    ours, draws = EpsilonGreedy(SETTINGS, EpsilonGreedyOptions(epsilon)), np.random.default_rng(7)
    earned = 0.0
    for begin in range(0, DECISIONS, learnt_at_once):
        part = slice(begin, begin + learnt_at_once)
        slates = ours.act_batch(batch_of(x[part]), 1, draws)
        rewards = np.take_along_axis(clicks[part], slates.chosen, 1)
        ours.learn(outcomes_of(np.arange(learnt_at_once), batch_of(x[part]), slates, rewards))
        earned += float(rewards.sum())
    workspace = pyvw.Workspace(f"--cb_explore {ACTIONS} --epsilon {epsilon} --cb_type mtr --quiet")
    theirs = 0.0
    for row in range(DECISIONS):
        p = np.array(workspace.predict(f"| a b:{x[row]}"))
        action = int(draws.choice(ACTIONS, p=p / p.sum()))
        assert min(p) >= epsilon / ACTIONS - 1e-6
        theirs += clicks[row, action]
        workspace.learn(f"{action + 1}:{-clicks[row, action]}:{p[action]} | a b:{x[row]}")
    workspace.finish()
    best = click_rates(x).max(1).sum()
    at_random = click_rates(x).mean()
    assert earned > 0.97 * theirs
    for value in (earned, theirs):
        assert at_random * DECISIONS * 1.1 < value < best * 1.05
