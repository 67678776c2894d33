"""The Q-network as numpy arrays: what acting needs of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import FloatArray

Weights = dict[str, NDArray[np.float32]]


def first_weights(context_size: int, inputs: int, hidden: int, seed: int) -> Weights:
    """Weights before learning, which give every candidate the advantage 0.

    context [S] → value_hidden [H] → value; item [I] → hidden [H] → advantage. An item's inputs are of
    user and item together; with the context beside them, the advantage was learnt worse.
    """
    random = np.random.default_rng(seed)

    def layer(rows: int, fan_in: int) -> NDArray[np.float32]:
        return random.normal(0, np.sqrt(2 / fan_in), (rows, hidden)).astype(np.float32)

    return {
        "value_hidden": layer(context_size, context_size),
        "value_bias": np.zeros(hidden, np.float32),
        "value": np.zeros((hidden, 1), np.float32),
        "item": layer(inputs, inputs),
        "bias": np.zeros(hidden, np.float32),
        "advantage": np.zeros((hidden, 1), np.float32),
    }


def advantages(weights: Weights, inputs: FloatArray) -> FloatArray:
    """[...] advantages in later reward, of inputs [..., I]."""
    hidden = inputs @ weights["item"] + weights["bias"]  # [..., H]
    np.maximum(hidden, 0, out=hidden)
    return np.asarray((hidden @ weights["advantage"])[..., 0])
