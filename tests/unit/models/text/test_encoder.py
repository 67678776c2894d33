from dataclasses import replace

import pytest

from models.config import ModelConfig
from models.errors import TextEncoderError
from models.text.encoder_factory import encoder
from models.text.ngrams import HashedNgrams


def test_hashed_is_one_encoder_for_all_who_ask(config: ModelConfig) -> None:
    found = encoder(replace(config, text="hashed"))
    assert isinstance(found, HashedNgrams)
    assert encoder(replace(config, text="hashed", embedding_dim=16)) is found


def test_none_is_none(config: ModelConfig) -> None:
    assert encoder(replace(config, text="none")) is None


@pytest.mark.parametrize("kind", ["static", "sentence"])
def test_a_folder_without_a_model_is_named(config: ModelConfig, kind: str, tmp_path: object) -> None:
    with pytest.raises(TextEncoderError, match=str(tmp_path)):
        encoder(replace(config, text=f"{kind}:{tmp_path}"))
