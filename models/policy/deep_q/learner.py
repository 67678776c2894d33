"""Learns a deep Q-network from outcomes: double, duelling, with target network, replay and returns of n steps."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.policy.deep_q.network import Weights
from models.policy.deep_q.policy import DeepQ, DeepQOptions
from models.policy.deep_q.replay import ReplayBuffer, StoredDecisions
from models.policy.reward_model import RewardModelSettings
from models.policy.rules import SlateRules
from models.policy.saved_arrays import load_policy
from models.policy.slate import BoolArray, FloatArray, IntArray, Outcomes

_MAX_GRADIENT_NORM = 10.0


class DeepQLearner(DeepQ):
    """A `DeepQ` that learns. The replay buffer is not part of its state: after a restart it fills anew.

    F(s, slate) = V(s) + Σ_k e_k A(s, a_k) are the discounted rewards after a decision. With the discount g and the
    reward R of a decision, the target of F(s_t) is Σ_{j=1}^{n-1} g^j R_{t+j} + g^n Q'(s_{t+n}, slate*): slate* is the
    best one by the network that learns, Q' its value by the target network. slate* may show what the alternatives show.

    From the advantage of what was shown, that of the M alternatives is taken, as the policy drew both from one
    distribution: the difference does not depend on the state, so that what V misses of the state is not taken for an
    effect of the items (as in Nie and Wager's R-learner). As a mean of M draws stands for the expectation, the
    difference counts M / (M + 1). V is then the value of the policy's own slates.
    """

    name: ClassVar[str] = "dqn"

    def __init__(
        self, settings: RewardModelSettings, options: DeepQOptions | None = None, rules: SlateRules | None = None
    ) -> None:
        super().__init__(settings, options, rules)
        self._replay = ReplayBuffer(self.options.replay_decisions)
        self._random = np.random.default_rng([self.options.seed, 4])
        self._set_up()

    def load_weights(self, weights: Weights) -> None:
        """Learn on from these weights."""
        super().load_weights(weights)
        self._set_up()

    def learn(self, outcomes: Outcomes) -> None:
        """As `Policy.learn`."""
        self.model.learn(outcomes)
        stored = _stored(outcomes)
        self._replay.add(outcomes.users, stored)
        shown = stored.items >= 0
        self.context_scaling.observe(stored.context)
        self.input_scaling.observe(self.inputs(stored.items, stored.interest, stored.features)[1][shown])
        for _ in range(self.options.updates):
            self._update()
        # The mean over some updates is less noisy than the last of them.
        self.weights = {name: parameter.numpy().copy() for name, parameter in self._target.items()}
        self.version += 1

    def _set_up(self) -> None:
        self._online = {name: torch.tensor(array, requires_grad=True) for name, array in self.weights.items()}
        self._target = {name: torch.tensor(array) for name, array in self.weights.items()}
        self._optimizer = torch.optim.Adam(list(self._online.values()), lr=self.options.learning_rate)

    def _update(self) -> None:
        options = self.options
        rows, path, known = self._replay.sample(options.batch_decisions, options.steps, self._random)
        if not len(rows):
            return
        now = self._replay.decisions(rows)
        places = now.rewards.shape[1]
        returns = np.zeros(len(rows))
        for step in range(options.steps - 1):  # rewards of the decisions before the last one that is known
            between = np.flatnonzero(known > step + 1)
            returns[between] += options.discount ** (step + 1) * self._expected_rewards(path[between, step])
        final = self._replay.decisions(path[np.arange(len(rows)), known - 1])
        with torch.no_grad():
            value = self._best_value(final, places)
        target = torch.tensor(returns, dtype=torch.float32) + torch.tensor(options.discount**known).float() * value
        _, advantage, state_value = self._heads(self._online, now)
        examination = torch.tensor(self.model.examination(places) * (now.items[:, :places] >= 0)).float()
        weight = torch.tensor(now.weight).float()
        later_reward = state_value + (examination * _centred(advantage, places)).sum(1)
        loss = (weight * (later_reward - target).square()).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        norm = torch.nn.utils.clip_grad_norm_(self._online.values(), _MAX_GRADIENT_NORM)
        if torch.isfinite(norm):
            self._optimizer.step()
        with torch.no_grad():
            for name, parameter in self._target.items():
                parameter.lerp_(self._online[name], options.target_share)

    def _expected_rewards(self, rows: IntArray) -> FloatArray:
        """[n] expected reward of what these decisions showed: less noisy than what came of it."""
        items, interest, features = self._replay.shown(rows)
        examined = self.model.examination(items.shape[1]) * (items >= 0)
        return np.asarray((self.model.mean(items, interest, features) * examined).sum(1))

    def _best_value(self, decisions: StoredDecisions, places: int) -> Tensor:
        """[n] value by the target network of the best slates by the network that learns."""
        expected, advantage, _ = self._heads(self._online, decisions)
        scores = (expected + advantage).masked_fill(~torch.tensor(_distinct(decisions.items)), -torch.inf)
        best = scores.topk(places, dim=1)
        expected, advantage, state_value = self._heads(self._target, decisions)
        if advantage.shape[1] > places:
            advantage = advantage - advantage.mean(1, keepdim=True)  # V is the value of the policy's own slates
        chosen = (expected + advantage).gather(1, best.indices)
        examination = torch.tensor(self.model.examination(places)).float() * best.values.isfinite()
        return state_value + (examination * chosen).sum(1)

    def _heads(self, weights: dict[str, Tensor], decisions: StoredDecisions) -> tuple[Tensor, ...]:
        """Expected reward and advantage [n, (M + 1) K], and the value [n]."""
        expected, inputs = self.inputs(decisions.items, decisions.interest, decisions.features)
        context = torch.tensor(self.context_scaling.scaled(decisions.context))
        hidden = (torch.tensor(self.input_scaling.scaled(inputs)) @ weights["item"] + weights["bias"]).relu()
        summary = torch.tensor(self._summary(decisions, expected))
        value_hidden = torch.cat([context, summary], 1) @ weights["value_hidden"] + weights["value_bias"]
        value = (value_hidden.relu() @ weights["value"]).squeeze(1)
        return torch.tensor(expected).float(), (hidden @ weights["advantage"]).squeeze(-1), value

    def _summary(self, decisions: StoredDecisions, expected: FloatArray) -> NDArray[np.float32]:
        """[n, 2] of the candidates: without it, the value of a state would be explained by what was shown there."""
        places = decisions.rewards.shape[1]
        there = decisions.items >= 0
        best = -np.sort(-np.where(there, expected, 0), axis=1)[:, :places] @ self.model.examination(places)
        mean = np.where(there, expected, 0).sum(1) / np.maximum(there.sum(1), 1)
        # In units of the mean expected reward at a place, as scaled inputs are.
        scale = np.sqrt(self.input_scaling.sums[2, 0] / max(self.input_scaling.sums[0, 0], 1)) or 1.0
        return (np.stack([best / places, mean], 1) / scale).astype(np.float32)


def learner_from(state: bytes) -> DeepQ:
    """The deep Q-network of this state, which goes on learning. PolicyError where it cannot be read."""
    _, version, settings, arrays = load_policy(state)
    return DeepQLearner.restored(version, settings, arrays)


def _centred(advantage: Tensor, places: int) -> Tensor:
    """[n, K] of what was shown, less the mean of the M alternatives, from [n, (M + 1) K]: see `DeepQLearner`."""
    slates = advantage.reshape(len(advantage), -1, places)  # [n, M + 1, K]
    others = slates.shape[1] - 1
    if not others:
        return advantage
    return (slates[:, 0] - slates[:, 1:].mean(1)) * (others / (others + 1))


def _distinct(items: IntArray) -> BoolArray:
    """[n, C] which items are there, and stand in no earlier column."""
    earlier = np.tri(items.shape[1], k=-1, dtype=np.bool_)
    repeated = ((items[:, :, None] == items[:, None, :]) & earlier).any(2)
    return np.asarray((items >= 0) & ~repeated)


def _stored(outcomes: Outcomes) -> StoredDecisions:
    offer = outcomes.alternatives
    weight = np.ones(len(outcomes)) if outcomes.weights is None else outcomes.weights.mean(1)
    if offer is None:
        return StoredDecisions(
            outcomes.context, outcomes.items, outcomes.interest, outcomes.features, outcomes.rewards, weight
        )
    decisions = len(outcomes)
    return StoredDecisions(
        outcomes.context,
        np.concatenate([outcomes.items, offer.items.reshape(decisions, -1)], 1),
        np.concatenate([outcomes.interest, offer.interest.reshape(decisions, -1)], 1),
        np.concatenate([outcomes.features, offer.features.reshape(decisions, -1, outcomes.features.shape[2])], 1),
        outcomes.rewards,
        weight,
    )
