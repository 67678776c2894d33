"""What each expert says of the items, and what it said of those that came.

All that is asked of an expert but its share in the mixture: the probability of one item, and how far its logarithm lies
above its mean under the product.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.gate import GateExamples
from models.experts.sparse_columns import SparseColumns

LEAST = 1e-30
"""The network's probability of an item is taken to be at least this, so that its logarithm exists"""


@dataclass(frozen=True, slots=True)
class Popularity:
    """What is popular, for everybody alike."""

    p: Tensor
    """[4, N + 1] by half-life, the last for ever; over all items, whoever may not be told of them"""
    log: Tensor
    rarity: Tensor
    """[N + 1] 1 / (popularity for ever)"""

    @classmethod
    def of(cls, p: NDArray[np.float32], device: torch.device) -> "Popularity":
        """Popularity [4, N + 1] with what is made of it once for many moments."""
        positive = np.maximum(p, LEAST, dtype=np.float32)
        return cls(*(torch.from_numpy(each).to(device) for each in (p, np.log(positive), 1 / positive[-1])))


@dataclass(frozen=True, slots=True)
class ExpertOutputs:
    """What each expert says in a block, all confined to what may be predicted."""

    network: Tensor
    """[p, N + 1]"""
    popularity: Popularity
    popular_sum: Tensor
    """[p or 1, 4] what of the popularity may be predicted"""
    smoothing: Tensor
    """[F, p] share of popularity in what follows"""
    places: SparseColumns
    """The M items that may follow"""
    lift: Tensor
    """[F, p, M] log of what follows over its share of popularity; 0 where nothing says that the item follows"""
    open: Tensor
    """[p or 1, N + 1] 1 where an item may be predicted, else 0"""
    features: NDArray[np.float64]
    """[p, FEATURES]"""
    weight: Tensor
    """[p, E] w(f)"""
    share: Tensor
    """[p, E + 1] π(f)"""
    product: Tensor
    """[p, N + 1] z"""

    def of(self, item: Tensor) -> tuple[Tensor, Tensor]:
        """[p, E] probability of one item [p] by each expert, and z's [p]; popularity's as if the item were open."""
        at = item.unsqueeze(1)  # [p, 1]
        open_ = self.open.expand_as(self.product).gather(1, at)  # [p, 1]
        popular = self.popularity.p[:, item].T / self.popular_sum  # [p, 4]
        following = (self.smoothing * self.places.of(self.lift, item).exp()).T * (popular[:, -1:] * open_)  # [p, F]
        own = torch.cat([self.network.gather(1, at) * open_, popular, following], 1)  # [p, E]
        return own, (self.product.gather(1, at) * open_).squeeze(1)

    def gate_examples(self, item: Tensor, weight: NDArray[np.float32]) -> GateExamples:
        """What was said of the items [p] that came."""
        own, product = self.of(item)
        z = self.product
        log = self.network.clamp_min(LEAST).log_()  # [p, N + 1]
        log_network = log.gather(1, item.unsqueeze(1)) - log.mul_(z).sum(1, keepdim=True)  # [p, 1]
        popular = self.popularity.log[:, item].T - z @ self.popularity.log.T  # [p, 4]
        lift = (self.places.of(self.lift, item) - self.places.mean(self.lift, z)).T  # [p, F]
        raised = torch.cat([log_network, popular, popular[:, -1:] + lift], 1)  # [p, E]
        columns = (each.double().cpu().numpy() for each in (own, product, raised))
        return GateExamples(self.features, weight.astype(np.float64), *columns)
