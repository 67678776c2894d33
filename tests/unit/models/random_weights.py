"""Random weights and events of an engine's tests."""

import numpy as np
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights


def noisy(config: ModelConfig, version: int = 1, scale: float = 0.3) -> Weights:
    """Random weights in which nothing is zero."""
    weights = InterestNetwork(config).snapshot(version)
    generator = torch.Generator().manual_seed(version)
    return Weights(
        version, {name: t + scale * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    )


def events(user: list[int], item: list[int], time_s: list[int] | None = None) -> EventBatch:
    """Views of known items."""
    times = np.array(time_s or range(len(user)), dtype=np.int64) * 1000
    return EventBatch(
        np.array(user, dtype=np.int64), np.array(item, dtype=np.int64), np.ones(len(user), dtype=np.int64), times
    )
