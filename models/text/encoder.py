"""The interface of text encoders: texts in, vectors out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Texts in, vectors of unit length out; the same text gives the same vector in every process."""

    @property
    def name(self) -> str:
        """Identifies the vectors: weights trained with one encoder are useless with another."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero where a text is unreadable (empty, only punctuation)."""
