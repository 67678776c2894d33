from dataclasses import replace

import pytest

from models.config import ModelConfig
from models.errors import TextEncoderError
from models.text.encoder_factory import text_encoder
from models.text.ngrams import HashedNgrams


def test_hashed_encoder_is_shared(config: ModelConfig) -> None:
    encoder = text_encoder(replace(config, text="hashed"))
    assert isinstance(encoder, HashedNgrams)
    assert text_encoder(replace(config, text="hashed", embedding_dim=16)) is encoder


def test_none_is_no_encoder(config: ModelConfig) -> None:
    assert text_encoder(replace(config, text="none")) is None


@pytest.mark.parametrize("kind", ["static", "sentence"])
def test_a_folder_without_a_model_is_named(config: ModelConfig, kind: str, tmp_path: object) -> None:
    with pytest.raises(TextEncoderError, match=str(tmp_path)):
        text_encoder(replace(config, text=f"{kind}:{tmp_path}"))
