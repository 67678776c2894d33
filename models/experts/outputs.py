"""Outputs of the experts for a block of predictions, as the gate's learning and the attribution need them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.gate import GateExamples
from models.experts.sparse_columns import SparseColumns
from models.transfers import is_host, to_device, to_host

MIN_P = 1e-30
"""The network's probability of an item is taken to be at least this, so that its logarithm exists"""


@dataclass(frozen=True, slots=True)
class Popularity:
    """Distributions of popularity over all items, whether they are candidates or not; the same for all users."""

    p: Tensor
    """[4, N + 1] by half-life, the undecayed one last"""
    log_p: Tensor
    """[4, N + 1]"""
    inverse: Tensor
    """[N + 1] 1 / undecayed popularity"""

    @classmethod
    def of(cls, p: NDArray[np.float32], device: torch.device) -> "Popularity":
        """Distributions [4, N + 1], with their logarithms, which serve many predictions."""
        if is_host(device):
            positive = np.maximum(p, MIN_P, dtype=np.float32)
            return cls(*to_device([p, np.log(positive), 1 / positive[-1]], device))
        (on_device,) = to_device([p], device)
        clamped = on_device.clamp_min(MIN_P)
        return cls(on_device, clamped.log(), clamped[-1].reciprocal())


@dataclass(frozen=True, slots=True)
class ExpertOutputs:
    """Distributions of all E experts for p predictions, all of them over the candidates alone.

    An expert of the user's history (F of them) predicts smoothing · popularity · exp(log_boost), popularity being the
    undecayed one over the candidates.
    """

    network_p: Tensor
    """[p, N + 1]"""
    popularity: Popularity
    popularity_mass: Tensor
    """[p or 1, 4] sum of each popularity over the candidates"""
    smoothing: Tensor
    """[F, p] share of popularity in the distributions of the history experts"""
    columns: SparseColumns
    """The M items that the history experts may have scores for"""
    log_boost: Tensor
    """[F, p, M] log of a history expert's probability over its share of popularity; 0 for an item without a score"""
    candidate_mask: Tensor
    """[p or 1, N + 1] 1 where an item may be predicted, else 0"""
    features: NDArray[np.float64]
    """[p, FEATURES] of the gate"""
    product_weight: Tensor
    """[p, E] w(f)"""
    mixture_weight: Tensor
    """[p, E + 1] π(f)"""
    product_p: Tensor
    """[p, N + 1] z"""

    def item_p(self, item: Tensor) -> tuple[Tensor, Tensor]:
        """[p, E] probability of one item [p] by each expert, and by the product [p].

        Popularity is not masked here: for an item that is no candidate it is positive.
        """
        index = item.unsqueeze(1)  # [p, 1]
        candidate = self.candidate_mask.expand_as(self.product_p).gather(1, index)  # [p, 1]
        popular = self.popularity.p[:, item].T / self.popularity_mass  # [p, 4]
        boost = self.columns.lookup(self.log_boost, item).exp()  # [F, p]
        history = (self.smoothing * boost).T * (popular[:, -1:] * candidate)  # [p, F]
        expert_p = torch.cat([self.network_p.gather(1, index) * candidate, popular, history], 1)  # [p, E]
        return expert_p, (self.product_p.gather(1, index) * candidate).squeeze(1)

    def gate_examples(self, item: Tensor, event_weight: NDArray[np.float32]) -> GateExamples:
        """What the gate learns from the items [p] that came."""
        expert_p, product_p = self.item_p(item)
        z = self.product_p
        log_network = self.network_p.clamp_min(MIN_P).log_()  # [p, N + 1]
        network = log_network.gather(1, item.unsqueeze(1)) - (log_network * z).sum(1, keepdim=True)  # [p, 1]
        popular = self.popularity.log_p[:, item].T - z @ self.popularity.log_p.T  # [p, 4]
        boost = (self.columns.lookup(self.log_boost, item) - self.columns.mean(self.log_boost, z)).T  # [p, F]
        advantage = torch.cat([network, popular, popular[:, -1:] + boost], 1)  # [p, E]
        arrays = to_host([tensor.double() for tensor in (expert_p, product_p, advantage)])
        return GateExamples(self.features, event_weight.astype(np.float64), *arrays)
