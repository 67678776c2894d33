"""What an online learner needs beside weights to go on as if never interrupted, as named tensors of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

_RAW, _REPLAY = "raw/", "replay/"


@dataclass(frozen=True, slots=True)
class LearnerState:
    """Each part is empty in weights that have none."""

    raw: Mapping[str, Tensor]
    """Shared weights that are not averaged"""
    moments: Mapping[str, Tensor]
    """Of the optimizer"""
    windows: Mapping[str, NDArray[Any]]
    """`ReplayBuffer.state`"""

    @staticmethod
    def of(tensors: Mapping[str, Tensor], optimizer: str) -> "LearnerState":
        """From `Weights.learner`; moments of another optimizer are left out."""
        windows = {name: tensor.numpy() for name, tensor in _group(tensors, _REPLAY).items()}
        return LearnerState(_group(tensors, _RAW), _group(tensors, f"{optimizer}/"), windows)

    def tensors(self, optimizer: str) -> dict[str, Tensor]:
        """As `Weights.learner`."""
        tensors = {_RAW + name: tensor for name, tensor in self.raw.items()}
        tensors |= {f"{optimizer}/{name}": tensor for name, tensor in self.moments.items()}
        return tensors | {_REPLAY + name: torch.from_numpy(array) for name, array in self.windows.items()}


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
