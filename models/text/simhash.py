"""Text vectors as eight bytes: the signs of 64 random projections, small enough for each event of a user's row.

Two codes differ in a share of their bits that follows the angle between their vectors (Charikar, 2002). The projections
are part of the row format: they must never change.
"""

from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BYTES: Final = 8
BITS: Final = 8 * BYTES

_SEED = 20_020_519
_BIT = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")  # [256, 8] of each byte
_SIGNS: NDArray[np.float32] = ((_BIT * 2.0 - 1.0) / BYTES).astype(np.float32)


def simhash(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[n, 8] codes of [n, width] vectors of any length; all bits are zero exactly where a vector is: no text."""
    # Not numpy's product: it takes all cores, whatever `model.threads` says.
    bits = (
        torch.from_numpy(vectors.astype(np.float64, order="C")) @ _projections(vectors.shape[1]) > 0
    ).numpy()  # [n, 64]
    codes = np.packbits(bits, axis=1, bitorder="little")
    # A text on the negative side of all projections, one in 2 ** 64, must not look like none.
    codes[~bits.any(1) & vectors.any(1), 0] = 1
    return codes


def unhash(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[..., 64] vectors of unit length, ±1/8, from [..., 8] codes; zero where all bits are (no text).

    The cosine of two is 1 - 2 * angle / π of what was hashed; its standard deviation is at most 1/8.
    """
    vectors: NDArray[np.float32] = _SIGNS[codes].reshape(*codes.shape[:-1], BITS)  # [..., 64]
    vectors[~codes.any(-1)] = 0
    return vectors


@cache
def _projections(width: int) -> Tensor:
    """[width, 64] nearly normal whole numbers, so the same everywhere.

    numpy promises the raw bits of Philox for all versions, but not the normal numbers that it makes of them. The sum of
    four uniform numbers is close enough to normal that the directions are even.
    """
    raw = np.random.Philox(_SEED).random_raw(width * BITS).reshape(width, BITS)
    lanes = raw[..., None] >> np.array([0, 16, 32, 48], dtype=np.uint64) & np.uint64(0xFFFF)
    centre = 2 * 0xFFFF  # the mean of four numbers up to 0xFFFF
    return torch.from_numpy(lanes.sum(-1).astype(np.float64) - centre)
