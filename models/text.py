"""What turns text into vectors: hashed n-grams, which need no download, or a pretrained model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.ngrams import HashedNgrams


class TextEncoder(Protocol):
    """Texts in, vectors of unit length out; the same text gives the same vector in every process."""

    @property
    def name(self) -> str:
        """What the vectors mean: weights learnt with one name are worth nothing with another."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero where a text says nothing (empty, only punctuation)."""


def encoder(name: str) -> TextEncoder | None:
    """The encoder of that name: `hashed` or `none`. ValueError for any other."""
    match name.partition(":"):
        case ("hashed", "", ""):
            return HashedNgrams()
        case ("none", "", ""):
            return None
    raise ValueError(f"no text encoder is named {name!r}: 'hashed' or 'none'")
