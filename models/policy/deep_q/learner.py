"""Learns a deep Q-network from outcomes: double, duelling, with target network, replay and returns of n steps."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.deep_q.later_effects import LaterInputs, LaterPlaces, later_effects
from models.policy.deep_q.network import Weights
from models.policy.deep_q.policy import DeepQ, DeepQOptions, network_inputs
from models.policy.deep_q.replay import ReplayBuffer, StoredDecisions
from models.policy.rules import SlateRules
from models.policy.saved_arrays import load_policy
from models.policy.slate import FloatArray, IntArray, Outcomes

_MAX_GRADIENT_NORM = 10.0


class DeepQLearner(DeepQ):
    """A `DeepQ` that learns. The replay buffer is not part of its state: after a restart it fills anew.

    F(s, slate) = V(s) + Σ_k e_k A(s, a_k) are the discounted rewards after a decision. With the discount g and the
    reward R of a decision, the target of F(s_t) is Σ_{j=1}^{n-1} g^j R_{t+j} + g^n Q'(s_{t+n}, slate*): slate* is the
    best order of what was shown there by the network that learns, Q' its value by the target network. V learns from it.

    Such returns vary by far more than one item changes in them. So A learns from the difference of two returns: those
    of the later slates as they were, and as they would have been without the item (`later_effects`). They share all
    that has nothing to do with it, users' tastes and the luck of draws, and differ by the exposures of its category.
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
        inputs = network_inputs(self._expected(stored), stored.interest, stored.features)
        self.input_scaling.observe(inputs[shown])
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
        now, later = self._replay.decisions(rows), self._replay.decisions(path.ravel())
        expected, later_expected = self._expected(now), self._expected(later)  # [n, K], [n S, K]
        with torch.no_grad():
            later_advantage = _advantage(self._target, self._scaled(later, later_expected))
            last = np.arange(len(rows)) * path.shape[1] + known - 1
            value = self._best_value(later, later_expected, later_advantage, last)
        reward = (later_expected * self._examination(later)).sum(1).reshape(path.shape)
        steps = np.arange(path.shape[1])
        between = (reward * options.discount ** (steps + 1) * (steps < known[:, None] - 1)).sum(1)
        target = torch.tensor(between + options.discount**known * value.numpy(), dtype=torch.float32)
        effect = torch.tensor(self._effects(now, later, path, known, later_advantage.numpy()), dtype=torch.float32)

        examination = torch.tensor(self._examination(now), dtype=torch.float32)
        advantage = _advantage(self._online, self._scaled(now, expected))
        later_reward = self._state_value(self._online, now.context) + (examination * advantage.detach()).sum(1)
        of_places = (examination * (advantage - effect).square()).sum(1)
        loss = (torch.tensor(now.weight) * ((later_reward - target).square() + of_places)).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        norm = torch.nn.utils.clip_grad_norm_(self._online.values(), _MAX_GRADIENT_NORM)
        if torch.isfinite(norm):
            self._optimizer.step()
        with torch.no_grad():
            for name, parameter in self._target.items():
                parameter.lerp_(self._online[name], options.target_share)

    def _effects(
        self, now: StoredDecisions, later: StoredDecisions, path: IntArray, known: IntArray, advantage: FloatArray
    ) -> FloatArray:
        """[n, K] targets of the advantages; 0 where the reward model knows of no exposures."""
        if not self.model.settings.exposure_rates:
            return np.zeros(now.items.shape)
        pairs = LaterPlaces.of(now.category, later.category.reshape(*path.shape, -1), known)
        later_row = pairs.decision * path.shape[1] + pairs.step, pairs.later_place
        inputs = LaterInputs(later.interest[later_row], later.features[..., -1][later_row], advantage[later_row])
        options = self.options
        return later_effects(self.model, pairs, inputs, now.items.shape, options.discount, options.sure_deviations)

    def _best_value(
        self, decisions: StoredDecisions, expected: FloatArray, target_advantage: Tensor, rows: IntArray
    ) -> Tensor:
        """[n] value by the target network of the best slates, by the network that learns, of these rows."""
        items, of_rows = torch.tensor(decisions.items[rows]), torch.tensor(expected[rows], dtype=torch.float32)
        scores = of_rows + _advantage(self._online, self._scaled(decisions, expected)[rows])
        best = scores.masked_fill(items < 0, -torch.inf).sort(dim=1, descending=True)
        chosen = (of_rows + target_advantage[rows]).gather(1, best.indices)
        examination = torch.tensor(self.model.examination(items.shape[1]), dtype=torch.float32) * best.values.isfinite()
        return self._state_value(self._target, decisions.context[rows]) + (examination * chosen).sum(1)

    def _expected(self, decisions: StoredDecisions) -> FloatArray:
        """[n, K] expected reward of each place's item: less noisy than what came of it."""
        return self.model.mean(decisions.items, decisions.interest, decisions.features)

    def _examination(self, decisions: StoredDecisions) -> FloatArray:
        return np.asarray(self.model.examination(decisions.items.shape[1]) * (decisions.items >= 0))

    def _scaled(self, decisions: StoredDecisions, expected: FloatArray) -> Tensor:
        inputs = network_inputs(expected, decisions.interest, decisions.features)
        return torch.tensor(self.input_scaling.scaled(inputs))

    def _state_value(self, weights: dict[str, Tensor], context: FloatArray) -> Tensor:
        scaled = torch.tensor(self.context_scaling.scaled(context))
        hidden = (scaled @ weights["value_hidden"] + weights["value_bias"]).relu()
        return (hidden @ weights["value"]).squeeze(1)


def learner_from(state: bytes) -> DeepQ:
    """The deep Q-network of this state, which goes on learning. PolicyError where it cannot be read."""
    _, version, settings, arrays = load_policy(state)
    return DeepQLearner.restored(version, settings, arrays)


def _advantage(weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
    """[...] of inputs [..., I], as `models.policy.deep_q.network.advantages` computes it."""
    hidden = (inputs @ weights["item"] + weights["bias"]).relu()
    return (hidden @ weights["advantage"]).squeeze(-1)


def _stored(outcomes: Outcomes) -> StoredDecisions:
    weight = np.ones(len(outcomes)) if outcomes.weights is None else outcomes.weights.mean(1)
    category = np.full(outcomes.items.shape, -1) if outcomes.category is None else outcomes.category
    return StoredDecisions(
        outcomes.context, outcomes.items, category, outcomes.interest, outcomes.features, outcomes.rewards, weight
    )
