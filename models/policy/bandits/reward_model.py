"""Expected reward of showing an item: linear in interest and features, and a coefficient of each item's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import grown
from models.policy.slate import FloatArray, IntArray, Outcomes

_MIN_NOISE = 1e-4
_JITTER = 1e-9


@dataclass(frozen=True, slots=True)
class RewardModelSettings:
    """Settings of `RewardModel`."""

    features: int
    """F of the candidates"""
    weight_deviation: float = 1.0
    """Prior standard deviation of the weights; the prior mean is 1 for the interest and 0 for all else"""
    item_deviation: float = 0.05
    """Prior standard deviation of an item's own coefficient a"""
    item_offset: float | None = None
    """a is added to the expected reward if None, else a times the interest and this offset: the item is then more (or
    less) to those who are interested in it, and the offset lets others try it"""
    half_life: float | None = None
    """Places after which what was learnt counts half; None: never"""
    exposure_rates: tuple[float, ...] = ()
    """If given, the last feature is how often the user saw the item's category lately; in its place the regression has
    exp(-rate * exposure) - 1, alone and times the interest, for each of these rates"""
    examination: tuple[float, ...] = ()
    """Probability that a user looks at a place, relative to the first; places beyond count as the last, () as 1"""

    @staticmethod
    def restored(saved: dict[str, Any]) -> RewardModelSettings:
        """From `asdict`, of which JSON has made lists of the tuples. TypeError where it does not fit."""
        tuples: dict[str, Any] = {key: tuple(value) for key, value in saved.items() if isinstance(value, list)}
        return RewardModelSettings(**saved | tuples)


class RewardModel:
    """Bayesian linear regression of the reward at a place on x = (1, interest, features), plus an item's own part.

    reward = e (w·x + z a_item) + noise, where e is the examination of the place: the correction of position bias; z is
    1 or the interest and an offset, by `item_offset`. The posterior of w is N(A⁻¹b, s²A⁻¹), updated by batches; that of
    each a_item is normal, too, and taken as independent of w, whose mean is subtracted first (mean field). The noise s²
    is the running mean of squared residuals.
    """

    def __init__(self, settings: RewardModelSettings) -> None:
        self.settings = settings
        self._rates = np.array(settings.exposure_rates)
        width = settings.features + 2 + max(2 * len(self._rates) - 1, 0)
        self._prior_precision = np.eye(width) / settings.weight_deviation**2
        self._prior_mean = np.zeros(width)
        self._prior_mean[1] = 1.0
        self._precision = np.zeros((width, width))  # Σ x xᵀ
        self._moment = np.zeros(width)  # Σ x (reward - own part)
        self._noise = np.array([0.1, 1.0])  # sum of squared residuals and their number
        self._item_count = np.zeros(0)  # Σ e²z²
        self._item_sum = np.zeros(0)  # Σ e z (reward - e w·x)
        self._solve()

    def mean(self, items: IntArray, interest: FloatArray, features: FloatArray) -> FloatArray:
        """[...] expected reward at the first place, of items [...] with features [..., F]."""
        own_mean, _ = self.item_posterior(items)
        return np.asarray(self._design(interest, features) @ self.weights + self._own_input(interest) * own_mean)

    def deviation(self, items: IntArray, interest: FloatArray, features: FloatArray) -> FloatArray:
        """[...] standard deviation of the expected reward."""
        x = self._design(interest, features)
        own_deviation = self._own_input(interest) * self.item_posterior(items)[1]
        return np.asarray(np.sqrt(np.square(x @ self._root).sum(-1) + np.square(own_deviation)))

    def draws(
        self,
        items: IntArray,
        interest: FloatArray,
        features: FloatArray,
        count: int,
        random: np.random.Generator,
        scale: float = 1.0,
    ) -> FloatArray:
        """[count, ...] expected rewards by draws of the weights, shared by all items, and of the own parts.

        `scale` multiplies the deviation of the posterior.
        """
        x = self._design(interest, features)
        weights = self.weights[:, None] + scale * self._root @ random.standard_normal((len(self.weights), count))
        own_mean, own_deviation = self.item_posterior(items)
        item_coefficient = own_mean + scale * own_deviation * random.standard_normal((count, *items.shape), np.float32)
        return np.asarray(np.moveaxis(x @ weights, -1, 0) + self._own_input(interest) * item_coefficient)

    def exposure_inputs(self, interest: FloatArray, exposure: FloatArray) -> FloatArray:
        """[..., 2 R] the part of x that exposure changes, at R `exposure_rates`; 0 without exposure."""
        faded = np.expm1(-np.maximum(exposure, 0)[..., None] * self._rates)  # a negative one would grow without bound
        return np.concatenate([faded, interest[..., None] * faded], axis=-1)

    def exposure_effect(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [...] of the expected reward that sums of `exposure_inputs` [..., 2 R] make."""
        first = len(self.weights) - 2 * len(self._rates)
        return inputs @ self.weights[first:], np.sqrt(np.square(inputs @ self._root[first:]).sum(-1))

    def item_posterior(self, items: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [...] of the own coefficients of items [...]."""
        known = np.clip(items, 0, max(len(self._item_count) - 1, 0))
        there = (items >= 0) & (items < len(self._item_count))
        count = np.where(there, self._item_count[known], 0.0) if len(self._item_count) else np.zeros(items.shape)
        total = np.where(there, self._item_sum[known], 0.0) if len(self._item_count) else np.zeros(items.shape)
        precision = 1 / self.settings.item_deviation**2 + count / self.noise
        return total / self.noise / precision, 1 / np.sqrt(precision)

    def sights(self, items: IntArray) -> FloatArray:
        """[...] places that have shown items [...], as far as they are not forgotten: weight times examination²."""
        if not len(self._item_count):
            return np.zeros(items.shape)
        known = np.clip(items, 0, len(self._item_count) - 1)
        return np.where((items >= 0) & (items < len(self._item_count)), self._item_count[known], 0.0)

    @property
    def noise(self) -> float:
        """Variance of the reward at a place around its expectation."""
        return max(float(self._noise[0] / self._noise[1]), _MIN_NOISE)

    def learn(self, outcomes: Outcomes) -> None:
        """Update by the places of these decisions that show an item."""
        shown = outcomes.items >= 0
        items, reward = outcomes.items[shown], outcomes.rewards[shown]
        weight = np.ones(len(items)) if outcomes.weights is None else outcomes.weights[shown]
        examined = np.broadcast_to(self.examination(outcomes.items.shape[1]), outcomes.items.shape)[shown]
        x = self._design(outcomes.interest[shown], outcomes.features[shown]) * examined[:, None]  # [n, W]
        self._forget(len(items))
        if len(items):
            rows = int(items.max()) + 1
            self._item_count, self._item_sum = grown(self._item_count, rows), grown(self._item_sum, rows)
        own_input = self._own_input(outcomes.interest[shown]) * examined
        of_item = self.item_posterior(items)[0] * own_input
        residual = reward - x @ self.weights - of_item
        self._noise += weight @ np.square(residual), weight.sum()
        self._precision += (x * weight[:, None]).T @ x
        self._moment += (weight * (reward - of_item)) @ x
        self._solve()
        np.add.at(self._item_count, items, weight * np.square(own_input))
        np.add.at(self._item_sum, items, weight * own_input * (reward - x @ self.weights))

    def examination(self, places: int) -> FloatArray:
        """[places] relative probability that a user looks at each."""
        known = np.array(self.settings.examination or (1.0,))
        return known[np.minimum(np.arange(places), len(known) - 1)]

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """What was learnt, for `restore`."""
        return {
            "precision": self._precision,
            "moment": self._moment,
            "noise": self._noise,
            "item_count": self._item_count,
            "item_sum": self._item_sum,
        }

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Go on from `arrays`."""
        self._precision, self._moment, self._noise = (arrays[name].copy() for name in ("precision", "moment", "noise"))
        self._item_count, self._item_sum = arrays["item_count"].copy(), arrays["item_sum"].copy()
        self._solve()

    def _design(self, interest: FloatArray, features: FloatArray) -> FloatArray:
        x = np.empty((*interest.shape, len(self._prior_mean)))
        x[..., 0] = 1
        x[..., 1] = interest
        plain = self.settings.features - (len(self._rates) > 0)
        x[..., 2 : 2 + plain] = features[..., :plain]
        if len(self._rates):
            x[..., 2 + plain :] = self.exposure_inputs(interest, features[..., -1])
        return x

    def _own_input(self, interest: FloatArray) -> FloatArray:
        offset = self.settings.item_offset
        return np.ones(interest.shape) if offset is None else interest + offset

    def _forget(self, places: int) -> None:
        if self.settings.half_life is None:
            return
        kept = 0.5 ** (places / self.settings.half_life)
        for array in (self._precision, self._moment, self._noise, self._item_count, self._item_sum):
            array *= kept

    def _solve(self) -> None:
        """Mean of the weights, and the root of their covariance, from the sums."""
        noise = self.noise
        precision = self._prior_precision + self._precision / noise
        moment = self._prior_precision @ self._prior_mean + self._moment / noise
        lower = np.linalg.cholesky(precision + _JITTER * np.eye(len(precision)))
        inverse = np.linalg.inv(lower)  # of A = L Lᵀ: A⁻¹ = L⁻ᵀ L⁻¹
        self._root = inverse.T
        self.weights = self._root @ (inverse @ moment)
