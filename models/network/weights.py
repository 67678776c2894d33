"""Weights of the network at one version of one lineage.

A lineage is what goes on from one training: online learning keeps it, and states `h`, `c` of a user are continued from
one of its versions to the next. Weights of another lineage have to recompute them from the user's events.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

INITIAL_LINEAGE: Final = 1
"""Of weights that are not trained, and of what learns online from these: the same in every worker"""


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
    lineage: int = INITIAL_LINEAGE
    """From 1 to 2^32 - 1; in stored rows 0 says that it is not known"""
    registered: int | None = None
    """Registrations of items that item tables and counts follow (models/items/slots.py); None: all"""

    def finite(self) -> bool:
        """Whether every number is finite."""
        tensors = chain(self.tensors.values(), self.learner.values())
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors) and all(
            bool(np.isfinite(array).all()) for array in self.experts.values()
        )


def trained_lineage(tensors: Mapping[str, Tensor]) -> int:
    """The lineage that begins with these tensors; it depends on their names, shapes and numbers alone."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return lineage_of_digest(digest.digest())


def rolled_back_lineage(weights: "Weights", lineage: int, version: int) -> int:
    """The lineage that begins where weights of this lineage and version are replaced by older ones."""
    origin = f"{lineage} {version} {weights.lineage} {weights.version}"
    return lineage_of_digest(hashlib.sha256(origin.encode()).digest())


def lineage_of_digest(digest: bytes) -> int:
    """The first 4 bytes of the digest as a number, but neither 0 nor INITIAL_LINEAGE."""
    lineage = int.from_bytes(digest[:4], "big")
    return lineage if lineage > INITIAL_LINEAGE else lineage + 2
