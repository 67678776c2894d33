"""Text vectors as eight bytes: the signs of 64 random projections, small enough for each event of a user's row.

Two codes differ in a share of bits that follows the angle between their vectors (Charikar, 2002). Projections and code
are part of the row format: change neither.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

BYTES: Final = 8
BITS: Final = 8 * BYTES

_SEED = 20_020_519


def simhash(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[n, 8] codes of [n, width] vectors of any length; all zero exactly where a vector is: no text."""
    vectors = vectors.astype(np.float64)
    bits = vectors @ _projections(vectors.shape[1]) > 0  # [n, 64]
    codes = np.packbits(bits, axis=1, bitorder="little")
    # What lies on the negative side of all projections, one text in 2 ** 64, gets the code of its neighbour.
    codes[~bits.any(1) & vectors.any(1), 0] = 1
    return codes


def unhash(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[..., 64] vectors of unit length of [..., 8] codes: ±1/8, zero where a code is (no text).

    Their cosine is 1 - 2 * angle / π of the vectors given, give or take 1/8 (the standard deviation).
    """
    bits = np.unpackbits(codes, axis=-1, bitorder="little").astype(np.float32)
    signs = bits * np.float32(2 / BYTES) - np.float32(1 / BYTES)
    return np.where(codes.any(-1, keepdims=True), signs, np.float32(0))


@cache
def _projections(width: int) -> NDArray[np.float64]:
    """[width, 64] normal numbers, the same everywhere: numpy keeps the raw bits of Philox, not its normal numbers."""
    raw = np.random.Philox(_SEED).random_raw(width * BITS).reshape(width, BITS, 1)
    uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniform
