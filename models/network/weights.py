"""Weights of the network at one version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Weights:
    """Numbered copy of the network's tensors on the CPU; later training does not change it."""

    version: int
    tensors: Mapping[str, Tensor]
    experts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """`Engine.experts()` in a checkpoint; else empty"""
    lr_step: int = 0
    """Step of the online learner's learning-rate schedule"""
    learner: Mapping[str, Tensor] = field(default_factory=dict)
    """In a checkpoint, what `OnlineLearner.state()` adds to the weights to predict with; else empty"""

    def finite(self) -> bool:
        """Whether every number is finite."""
        tensors = chain(self.tensors.values(), self.learner.values())
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors) and all(
            bool(np.isfinite(array).all()) for array in self.experts.values()
        )
