"""Logged decisions beside a policy that is to be evaluated."""

from __future__ import annotations

import numpy as np

from models.policy.bandits.reward_model import RewardModel, RewardModelSettings
from models.policy.off_policy.logged_rewards import LoggedRewards
from models.policy.slate import NO_ITEM, CandidateBatch, FloatArray, IntArray, Outcomes, SlateBatch, outcomes_of
from models.policy.successive import SuccessiveChoice

_FOLDS = 2


def logged_rewards(
    policy: SuccessiveChoice,
    users: IntArray,
    batch: CandidateBatch,
    slates: SlateBatch,
    rewards: FloatArray,
    model: RewardModelSettings,
    random: np.random.Generator,
) -> LoggedRewards:
    """What estimators need to evaluate the policy from these slates [n, K], their rewards [n, K] and users [n].

    The model of the rewards is learnt from one half of the users for the other (cross-fitting).
    """
    predicted, expected = np.zeros(rewards.shape), np.zeros(rewards.shape)
    p = policy.slate_probabilities(batch, slates.chosen, random)  # [n, K, C]
    fold = users % _FOLDS
    rows = np.arange(len(users))
    for held_out in range(_FOLDS):
        fitted = RewardModel(model)
        fitted.learn(_part(users, batch, slates, rewards, rows[fold != held_out]))
        here = rows[fold == held_out]
        value = fitted.mean(batch.items[here], batch.interest[here], batch.features[here])  # [m, C]
        examination = fitted.examination(rewards.shape[1])
        chosen = slates.chosen[here]
        shown = np.take_along_axis(value, np.maximum(chosen, 0), 1)
        predicted[here] = np.where(chosen == NO_ITEM, 0, shown * examination)
        expected[here] = (p[here] * value[:, None]).sum(-1) * examination
    chosen = slates.chosen
    shown_p = np.take_along_axis(p, np.maximum(chosen, 0)[..., None], 2)[..., 0]
    target = np.where(chosen == NO_ITEM, p.sum(-1) == 0, shown_p)
    return LoggedRewards(rewards, slates.propensities, target, predicted, expected, users)


def _part(users: IntArray, batch: CandidateBatch, slates: SlateBatch, rewards: FloatArray, rows: IntArray) -> Outcomes:
    part = CandidateBatch(batch.items[rows], batch.interest[rows], batch.features[rows], batch.context[rows])
    return outcomes_of(users[rows], part, SlateBatch(slates.chosen[rows], slates.propensities[rows]), rewards[rows])
