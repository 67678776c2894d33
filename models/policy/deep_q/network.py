"""The Q-network as numpy arrays: what acting needs of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import FloatArray

Weights = dict[str, NDArray[np.float32]]


SUMMARY = 2
"""Inputs of the value beside the context: expected reward of the best slate, and mean over the candidates"""


def first_weights(context_size: int, inputs: int, hidden: int, seed: int) -> Weights:
    """Weights before learning, which give every candidate the advantage 0.

    (context, summary) [S + 2] → value_hidden [H] → value; (context, item) [S + I] → hidden [H] → advantage.
    """
    random = np.random.default_rng(seed)

    def layer(rows: int, fan_in: int) -> NDArray[np.float32]:
        return random.normal(0, np.sqrt(2 / fan_in), (rows, hidden)).astype(np.float32)

    return {
        "value_hidden": layer(context_size + SUMMARY, context_size + SUMMARY),
        "value_bias": np.zeros(hidden, np.float32),
        "value": np.zeros((hidden, 1), np.float32),
        "context": layer(context_size, context_size + inputs),
        "item": layer(inputs, context_size + inputs),
        "bias": np.zeros(hidden, np.float32),
        "advantage": np.zeros((hidden, 1), np.float32),
    }


def advantages(weights: Weights, context: FloatArray, inputs: FloatArray) -> FloatArray:
    """[B, C] advantages in later reward, of contexts [B, S] and inputs [B, C, I]."""
    hidden = inputs @ weights["item"]  # [B, C, H]
    hidden += (context @ weights["context"] + weights["bias"])[:, None]
    np.maximum(hidden, 0, out=hidden)
    return np.asarray((hidden @ weights["advantage"])[..., 0])
