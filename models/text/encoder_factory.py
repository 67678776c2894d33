"""The text encoder that `model.text` names: hashed n-grams, which need no download, or a pretrained model."""

from functools import cache

from models.config import ModelConfig
from models.device import compute_device
from models.text import pretrained
from models.text.encoder import TextEncoder
from models.text.ngrams import HashedNgrams


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
    return pretrained.load(kind, name, str(compute_device(config)))


@cache
def _hashed() -> HashedNgrams:
    return HashedNgrams()
