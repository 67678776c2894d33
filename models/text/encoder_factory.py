"""The text encoder that `model.text` names: hashed n-grams, which need no download, or a pretrained model."""

from functools import cache

from models.config import ModelConfig
from models.device import compute_device
from models.text import pretrained
from models.text.encoder import TextEncoder
from models.text.ngrams import HashedNgrams


def text_encoder(config: ModelConfig) -> TextEncoder | None:
    """The encoder that `model.text` names, shared by all callers; None for `none`.

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
