"""Text vectors as eight bytes: the signs of 64 random projections, small enough for each event of a user's row.

Two codes differ in a share of their bits that follows the angle between their vectors (Charikar, 2002). The codes are
made in simhash.py; here is their format, which needs no torch.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import TEXT_CODE_BYTES

BYTES: Final = TEXT_CODE_BYTES
BITS: Final = 8 * BYTES

_BIT = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")  # [256, 8] of each byte
_SIGNS: NDArray[np.float32] = ((_BIT * 2.0 - 1.0) / BYTES).astype(np.float32)


def pack_signs(positive: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """[n, 8] codes of [n, 64] signs."""
    return np.packbits(positive, axis=1, bitorder="little")


def unpack_signs(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[..., 64] vectors of unit length, ±1/8, from [..., 8] codes; zero where all bits are (no text).

    The cosine of two is 1 - 2 * angle / π of the vectors that were encoded; its standard deviation is at most 1/8.
    """
    vectors: NDArray[np.float32] = _SIGNS[codes].reshape(*codes.shape[:-1], BITS)  # [..., 64]
    vectors[~codes.any(-1)] = 0
    return vectors
