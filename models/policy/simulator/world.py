"""The simulated users: what they would click, what a policy sees of them, and how they change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.policy.features import UserHistories, context, exposed, features
from models.policy.simulator.catalog import SimulatedCatalog
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.slate import NO_ITEM, CandidateBatch, FloatArray, IntArray, SlateBatch


@dataclass(frozen=True, slots=True)
class Feedback:
    """What B users did with their slates of K places."""

    clicked: FloatArray  # [B, K] 0 or 1
    purchase_delay: IntArray
    """[B, K] rounds until the purchase, -1 where there is none"""
    expected: FloatArray
    """[B, K] expected reward of each place, given all places' items"""

    def rewards(self, parameters: SimulatorParameters, horizon_rounds: int | None = None) -> FloatArray:
        """[B, K] reward of each place, with purchases up to the horizon, or with all."""
        bought = self.purchase_delay >= 0
        if horizon_rounds is not None:
            bought &= self.purchase_delay <= horizon_rounds
        return self.clicked + parameters.purchase_reward * bought


class World:
    """One run of the simulation. The randomness of users and items is that of the seed, whatever is shown to them.

    A place k with item i is clicked with probability examination_k · min(max, click_p · affinity · appeal · quality ·
    exp(-satiation · exposure)), where exposure decays by `satiation_memory` a round, and grows by the examination of
    each place that shows the category to the user.
    """

    def __init__(self, parameters: SimulatorParameters, seed: int) -> None:
        self.parameters = parameters
        self.round = 0
        changes, self._clicks = (np.random.default_rng([seed, stream]) for stream in (1, 2))
        self._changes = changes
        self.catalog = SimulatedCatalog(parameters, changes)
        shape = parameters.users, parameters.categories
        self._log_affinity = changes.normal(0, parameters.affinity_deviation, shape)
        self._predicted_log_affinity = self._log_affinity.copy()
        self._satiation = np.zeros(shape)
        self._exposures: FloatArray = np.zeros(shape)
        self._recent_clicks: FloatArray = np.zeros(shape)
        self._shown = np.zeros(len(self.catalog))
        self._clicked = np.zeros(len(self.catalog), np.int64)
        self._offered = self.catalog.offered(0)

    @property
    def offered(self) -> IntArray:
        """Items on offer now, [C]: the candidates of every decision of the round."""
        return self._offered

    def candidates(self) -> CandidateBatch:
        """What a policy sees of the round's decisions, one for each user."""
        parameters, items = self.parameters, self._offered
        shape = parameters.users, len(items)
        category = np.broadcast_to(self.catalog.category[items], shape)
        affinity = self._affinity(self._predicted_log_affinity)
        interest = np.minimum(
            parameters.click_p * affinity[:, category[0]] * self.catalog.predicted_quality(items, self._clicked[items]),
            parameters.max_click_p,
        )
        histories = UserHistories(affinity, self._exposures, self._recent_clicks)
        shown = np.broadcast_to(self._shown[items], shape)
        return CandidateBatch(
            np.broadcast_to(items, shape),
            interest,
            features(interest, category, shown, histories),
            context(histories),
            category,
            np.broadcast_to(self.catalog.fresh(items, self.round), shape),
        )

    def click_p(self, satiation_factor: float = 1.0) -> FloatArray:
        """[B, C] true probability of a click on a candidate that is looked at, satiation taken so many times."""
        parameters, items = self.parameters, self._offered
        category = self.catalog.category[items]
        by_category = self._affinity(self._log_affinity) * self.catalog.appeal
        by_category = by_category * np.exp(-parameters.satiation * satiation_factor * self._satiation)
        p = parameters.click_p * by_category[:, category] * np.exp(self.catalog.log_quality[items])
        return np.minimum(p, parameters.max_click_p)

    def item_value(self) -> FloatArray:
        """[C] expected reward of a click on each candidate."""
        return 1 + self.parameters.purchase_reward * self.catalog.purchase_p[self._offered]

    def respond(self, slates: SlateBatch) -> Feedback:
        """What the users do with the slates [B, K] of positions in `offered`; then the next round begins."""
        parameters, chosen = self.parameters, slates.chosen
        filled = chosen != NO_ITEM
        examination = np.array(parameters.examination)[: chosen.shape[1]] * filled
        p = examination * np.take_along_axis(self.click_p(), chosen, 1)
        value = self.item_value()[chosen]
        # As many random numbers as there are places, whatever is shown: policies meet the same luck.
        luck = self._clicks.random((3, *chosen.shape))
        clicked = luck[0] < p
        items = self._offered[chosen]
        bought = clicked & (luck[1] < self.catalog.purchase_p[items])
        delay = np.floor(np.log(luck[2]) / np.log(1 - 1 / (1 + parameters.purchase_delay_rounds))).astype(np.int64)
        category = np.where(filled, self.catalog.category[items], -1)
        self._exposures = exposed(self._exposures, category, examination)
        self._recent_clicks = exposed(self._recent_clicks, category, clicked * 1.0)
        self._satiation *= parameters.satiation_memory
        rows = np.broadcast_to(np.arange(len(chosen))[:, None], chosen.shape)
        np.add.at(self._satiation, (rows[filled], category[filled]), examination[filled])
        np.add.at(self._shown, items[filled], 1)
        np.add.at(self._clicked, items[clicked & filled], 1)
        self._next_round()
        return Feedback(clicked * 1.0, np.where(bought, delay, -1), p * value)

    def _affinity(self, log_affinity: FloatArray) -> FloatArray:
        return np.asarray(np.exp(log_affinity - self.parameters.affinity_deviation**2 / 2))  # of mean 1

    def _next_round(self) -> None:
        parameters = self.parameters
        self.round += 1
        kept = np.sqrt(1 - (parameters.drift / parameters.affinity_deviation) ** 2)
        step = self._changes.normal(0, parameters.drift, self._log_affinity.shape)
        self._log_affinity = kept * self._log_affinity + step
        self._predicted_log_affinity += parameters.prediction_lag * (self._log_affinity - self._predicted_log_affinity)
        if self.round == parameters.change_round:
            self.catalog.change_tastes()
        self._offered = self.catalog.offered(self.round)
