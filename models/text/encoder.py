"""What turns text into vectors: hashed n-grams, which need no download, or a pretrained model."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.device import device_of
from models.text import pretrained
from models.text.ngrams import HashedNgrams


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


def encoder(config: ModelConfig) -> TextEncoder | None:
    """The encoder that `model.text` names, one object for all who ask; None for `none`.

    TextEncoderError where a pretrained model cannot be loaded.
    """
    kind, _, name = config.text.partition(":")
    match kind:
        case "none":
            return None
        case "hashed":
            return _hashed()
    return pretrained.load(kind, name, str(device_of(config)))


@cache
def _hashed() -> HashedNgrams:
    return HashedNgrams()
