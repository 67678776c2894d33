"""Gate of the experts: weights of their mixture, learnt online from how probable each expert found the items that came.

    z = softmax(Σ_i w_i(f) log p_i)      p = Σ_i π_i(f) p_i + π_z(f) z      w(f) = w + G f      π(f) = softmax(L f)

p_i is expert i's distribution over the items, f the features of the prediction. z is a product of experts, so their
agreement counts; the linear mixture π beside it lets no expert alone rule an item out. The loss is -log p of each
event's item; its gradient is written out here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

FEATURES = 5
"""1, log(1 + the user's events) / 5, whether the user is new, and `log_confidence` of the network and of next_5"""

GATE_BATCH_EVENTS = 32
"""Events in one step of Adam: with 256, the gate collapses on small logs"""

# R@10, log-loss and ECE on the events from 40 % to 70 %, one pass: wikipedia .8978, 1.167, .025 with .02 and .8997,
# 1.146, .017 with .007; ml-100k .2246, 5.434, .005 and .2231, 5.433, .001; amazon-music .1157, 6.409, .009 with .02 and
# .1157, 6.414, .010 with .007, where few steps are all there are.
_LR = 0.007
_MIN_CONFIDENCE = 1e-4
_BETA1 = 0.9
_BETA2 = 0.999
_EPSILON = 1e-8
_INITIAL_PRODUCT_LOGIT = 2.0


def log_confidence(largest_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Feature of an expert's largest probability: its logarithm, from -1.3 to .5, as catalogs are of any size."""
    return np.log(np.maximum(largest_p, _MIN_CONFIDENCE)) / 5 + 0.5


@dataclass(frozen=True, slots=True)
class GateExamples:
    """n scored events: what experts and product had predicted for the items that then came."""

    features: NDArray[np.float64]
    """[n, FEATURES]"""
    event_weight: NDArray[np.float64]
    """[n] weight of the event in the loss"""
    expert_p: NDArray[np.float64]
    """[n, E] p_i of the item"""
    product_p: NDArray[np.float64]
    """[n] z of the item"""
    score_advantage: NDArray[np.float64]
    """[n, E] log p_i of the item, less the mean of log p_i under z: the gradient of log z by w_i"""

    def __getitem__(self, rows: slice) -> "GateExamples":
        return GateExamples(*(getattr(self, field.name)[rows] for field in fields(self)))


class ExpertGate:
    """Parameters w, G, L of E experts, the network being the first, and the moments of their Adam."""

    def __init__(self, weight: NDArray[np.float64], logit: NDArray[np.float64]) -> None:
        """`weight` [E] is the initial w, `logit` [E] the initial logits of π; that of z is 2."""
        experts = len(weight)
        self._parameters = {
            "w": weight.astype(np.float64),
            "G": np.zeros((experts, FEATURES)),
            "L": np.zeros((experts + 1, FEATURES)),
        }
        self._parameters["L"][:, 0] = [*logit, _INITIAL_PRODUCT_LOGIT]
        self._exp_avg = {name: np.zeros_like(value) for name, value in self._parameters.items()}
        self._exp_avg_sq = {name: np.zeros_like(value) for name, value in self._parameters.items()}
        self._gradient = {name: np.zeros_like(value) for name, value in self._parameters.items()}
        self._pending_events = 0
        self._steps = 0

    def weights(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """w(f) [n, E] and π(f) [n, E + 1], the last of which is z's."""
        product_weight = self._parameters["w"] + features @ self._parameters["G"].T  # [n, E]
        # Never below 0 for the network: its predictions change faster than this is learnt, and may get more certain.
        product_weight[:, 0] = product_weight[:, 0].clip(min=0)
        logits = features @ self._parameters["L"].T  # [n, E + 1]
        exp = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
        return product_weight, exp / exp.sum(1, keepdims=True)

    def update(self, examples: GateExamples) -> None:
        """Add the gradients of these events; every 32 events, one step of Adam.

        Events whose item had probability 0, or with numbers that are not finite, are left out.
        """
        for low in range(0, len(examples.features), GATE_BATCH_EVENTS):
            self._add_gradients(examples[low : low + GATE_BATCH_EVENTS])

    def _add_gradients(self, examples: GateExamples) -> None:
        product_weight, mixture_weight = self.weights(examples.features)
        p_i = np.column_stack([examples.expert_p, examples.product_p])  # [n, E + 1]
        p = (mixture_weight * p_i).sum(1)  # [n]
        valid = (p > 0) & np.isfinite(p_i).all(1) & np.isfinite(examples.score_advantage).all(1)
        if not valid.any():
            return
        p_i, mixture_weight, p = p_i[valid], mixture_weight[valid], p[valid, None]
        features, event_weight = examples.features[valid], examples.event_weight[valid, None]
        # d(-log p)/dw_i = -π_z z / p · advantage_i      d(-log p)/dlogit_i = π_i (1 - p_i / p)
        by_weight = -event_weight * mixture_weight[:, -1:] * p_i[:, -1:] / p * examples.score_advantage[valid]  # [n, E]
        clipped = product_weight[valid, 0] == 0
        by_weight[clipped, 0] = by_weight[clipped, 0].clip(max=0)  # only up from there
        by_logit = event_weight * mixture_weight * (1 - p_i / p)  # [n, E + 1]
        self._gradient["w"] += by_weight.sum(0)
        self._gradient["G"] += by_weight.T @ features
        self._gradient["L"] += by_logit.T @ features
        self._pending_events += len(p)
        if self._pending_events >= GATE_BATCH_EVENTS:
            self._adam_step()

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        parts = self._parts().items()
        arrays = {f"{part}.{name}": value.copy() for part, values in parts for name, value in values.items()}
        counts = {"steps": self._steps, "pending_events": self._pending_events}
        return arrays | {name: np.array([float(count)]) for name, count in counts.items()}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from `state`. ValueError where it has another number of experts."""
        for part, values in self._parts().items():
            for name, value in values.items():
                # Checkpoints were once made without the gradients that wait for their step.
                stored = state.get(f"{part}.{name}", np.zeros_like(value) if part == "gradient" else None)
                if stored is None or stored.shape != value.shape:
                    raise ValueError(f"{len(state['value.w'])} experts there, {len(self._parameters['w'])} here")
                values[name] = stored.copy()
        self._steps = int(state["steps"][0])
        self._pending_events = int(state.get("pending_events", np.zeros(1))[0])

    def _parts(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        return {
            "value": self._parameters,
            "exp_avg": self._exp_avg,
            "exp_avg_sq": self._exp_avg_sq,
            "gradient": self._gradient,
        }

    def _adam_step(self) -> None:
        self._steps += 1
        lr = _LR * (1 - _BETA2**self._steps) ** 0.5 / (1 - _BETA1**self._steps)
        for name, value in self._parameters.items():
            gradient = self._gradient[name] / self._pending_events
            self._exp_avg[name] += (1 - _BETA1) * (gradient - self._exp_avg[name])
            self._exp_avg_sq[name] += (1 - _BETA2) * (gradient**2 - self._exp_avg_sq[name])
            value -= lr * self._exp_avg[name] / (np.sqrt(self._exp_avg_sq[name]) + _EPSILON)
            self._gradient[name] = np.zeros_like(value)
        self._pending_events = 0
