"""Random projection of text vectors onto 64 signs (SimHash): codes of eight bytes, as sign_codes.py packs them.

The projections are part of the row format: they must never change.
"""

from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.text.sign_codes import BITS, pack_signs

_SEED: Final = 20_020_519


def simhash(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[n, 8] codes of [n, width] vectors of any length; all bits are zero exactly where a vector is: no text."""
    # Not numpy's product: it takes all cores, whatever `model.threads` says.
    projected = torch.from_numpy(vectors.astype(np.float64, order="C")) @ _projections(vectors.shape[1])  # [n, 64]
    positive: NDArray[np.bool_] = (projected > 0).numpy()
    codes = pack_signs(positive)
    # A text on the negative side of all projections, one in 2 ** 64, must not look like none.
    codes[~positive.any(1) & vectors.any(1), 0] = 1
    return codes


@cache
def _projections(width: int) -> Tensor:
    """[width, 64] nearly normal whole numbers, so the same everywhere.

    numpy promises the raw bits of Philox for all versions, but not the normal numbers that it makes of them. The sum of
    four uniform numbers is close enough to normal that the directions are even.
    """
    raw = np.random.Philox(_SEED).random_raw(width * BITS).reshape(width, BITS)
    lanes = raw[..., None] >> np.array([0, 16, 32, 48], dtype=np.uint64) & np.uint64(0xFFFF)  # [width, 64, 4]
    centre = 2 * 0xFFFF  # the mean of four numbers up to 0xFFFF
    return torch.from_numpy(lanes.sum(-1).astype(np.float64) - centre)  # [width, 64]
