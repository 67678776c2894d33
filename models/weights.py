"""A snapshot of everything the network has learnt."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Weights:
    """Numbered copy of the network's tensors on the CPU; nothing that goes on learning changes it."""

    version: int
    tensors: Mapping[str, Tensor]

    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.tensors.values())
