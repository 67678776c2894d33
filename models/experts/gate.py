"""How much each expert is believed, learnt from what they said of the events that came.

    z = softmax(Σ_i w_i(f) log p_i)      p = Σ_i π_i(f) p_i + π_z(f) z      w(f) = w + G f      π = softmax(L f)

A product of experts beside their mixture: agreement is rewarded, and none alone can rule an item out. The loss is
-log p of each event's item, its gradient written out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEATURES = 5
"""1, log(1 + the user's events) / 5, whether the user is new, how sure the network and skip5 are (`log_confidence`)"""

GATE_BATCH_EVENTS = 32
"""Events in one step of Adam: with 256, the mixer collapses on small logs"""

# R@10, log-loss and ECE on the events from 40 % to 70 %, one pass: wikipedia .8978, 1.167, .025 with .02 and .8997,
# 1.146, .017 with .007; ml-100k .2246, 5.434, .005 and .2231, 5.433, .001; amazon-music .1157, 6.409, .009 with .02 and
# .1157, 6.414, .010 with .007, where few steps are all there are.
_RATE = 0.007
_LEAST_SURE = 1e-4
_BETA1 = 0.9
_BETA2 = 0.999
_EPSILON = 1e-8
_SUM_BIAS = 2.0


def log_confidence(largest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Feature of an expert's largest probability: its logarithm, from -1.3 to .5, as catalogs are of any size."""
    return np.log(np.maximum(largest, _LEAST_SURE)) / 5 + 0.5


@dataclass(frozen=True, slots=True)
class GateExamples:
    """What n mixtures had said of the items that then came."""

    features: NDArray[np.float64]
    """[n, FEATURES]"""
    weight: NDArray[np.float64]
    """[n] what the event counts in the loss"""
    own: NDArray[np.float64]
    """[n, E] each expert's probability of the item"""
    product: NDArray[np.float64]
    """[n] z's probability of the item"""
    lift: NDArray[np.float64]
    """[n, E] log p_i of the item, less its mean under z"""


class ExpertGate:
    """Weights w, G, L of E experts, the network being the first, and the memory of their Adam."""

    def __init__(self, weight: NDArray[np.float64], share: NDArray[np.float64]) -> None:
        """`weight` [E] is w to begin with, `share` [E] the logarithm of each expert's share up to a constant."""
        experts = len(weight)
        self._values = {
            "w": weight.astype(np.float64),
            "G": np.zeros((experts, FEATURES)),
            "L": np.zeros((experts + 1, FEATURES)),
        }
        self._values["L"][:, 0] = [*share, _SUM_BIAS]
        self._first = {name: np.zeros_like(value) for name, value in self._values.items()}
        self._second = {name: np.zeros_like(value) for name, value in self._values.items()}
        self._gradient = {name: np.zeros_like(value) for name, value in self._values.items()}
        self._waiting = 0
        self._steps = 0

    def weights(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """w(f) [n, E] and π(f) [n, E + 1], the last of which is z's."""
        weight = self._values["w"] + features @ self._values["G"].T  # [n, E]
        # Never against the network: what it says changes faster than this is learnt, and may become far more certain.
        weight[:, 0] = weight[:, 0].clip(min=0)
        score = features @ self._values["L"].T  # [n, E + 1]
        share = np.exp(score - score.max(1, keepdims=True, initial=-np.inf))
        return weight, share / share.sum(1, keepdims=True)

    def learn(self, gate_examples: GateExamples) -> None:
        """Take in events; every 32 of them, one step of Adam. What is not finite or was impossible teaches nothing."""
        weight, share = self.weights(gate_examples.features)
        said = np.column_stack([gate_examples.own, gate_examples.product])  # [n, E + 1]
        p = (share * said).sum(1)  # [n]
        usable = (p > 0) & np.isfinite(said).all(1) & np.isfinite(gate_examples.lift).all(1)
        if not usable.any():
            return
        said, share, p = said[usable], share[usable], p[usable, None]
        features, scale = gate_examples.features[usable], gate_examples.weight[usable, None]
        of_weight = -scale * share[:, -1:] * said[:, -1:] / p * gate_examples.lift[usable]  # [n, E]
        silent = weight[usable, 0] == 0
        of_weight[silent, 0] = of_weight[silent, 0].clip(max=0)  # only up from there
        of_share = scale * share * (1 - said / p)  # [n, E + 1]
        self._gradient["w"] += of_weight.sum(0)
        self._gradient["G"] += of_weight.T @ features
        self._gradient["L"] += of_share.T @ features
        self._waiting += len(p)
        if self._waiting >= GATE_BATCH_EVENTS:
            self._step()

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything; gradients that wait for their step are left out."""
        parts = (("value", self._values), ("first", self._first), ("second", self._second))
        arrays = {f"{part}.{name}": value.copy() for part, values in parts for name, value in values.items()}
        return arrays | {"steps": np.array([float(self._steps)])}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from `state`. ValueError where it has another number of experts."""
        for part, values in (("value", self._values), ("first", self._first), ("second", self._second)):
            for name, value in values.items():
                if state[f"{part}.{name}"].shape != value.shape:
                    raise ValueError(f"{len(state['value.w'])} experts there, {len(self._values['w'])} here")
                values[name] = state[f"{part}.{name}"].copy()
                self._gradient[name] = np.zeros_like(value)
        self._steps, self._waiting = int(state["steps"][0]), 0

    def _step(self) -> None:
        self._steps += 1
        rate = _RATE * (1 - _BETA2**self._steps) ** 0.5 / (1 - _BETA1**self._steps)
        for name, value in self._values.items():
            gradient = self._gradient[name] / self._waiting
            self._first[name] += (1 - _BETA1) * (gradient - self._first[name])
            self._second[name] += (1 - _BETA2) * (gradient**2 - self._second[name])
            value -= rate * self._first[name] / (np.sqrt(self._second[name]) + _EPSILON)
            self._gradient[name] = np.zeros_like(value)
        self._waiting = 0
