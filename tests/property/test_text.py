"""Properties of text vectors: each depends on its text alone, codes on directions alone, means on no order."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_features import value_buckets
from models.items.content import ItemContent
from models.text.ngrams import HashedNgrams, is_readable
from models.text.sign_codes import unpack_signs
from models.text.simhash import simhash

NGRAMS = HashedNgrams()
# Any characters, and mixtures of the scripts in which words, ideographs and marks behave differently.
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("ab,. 琴弦がギ기جيتار🎸🏽\u200d\u0301ß1", max_size=60),
)
FLOATS = st.floats(width=32, allow_nan=False)


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, max_size=12))
def test_a_batch_is_encoded_as_its_texts_one_by_one(texts: list[str]) -> None:
    together = NGRAMS.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(NGRAMS.encode([text])[0], vector)


@settings(deadline=None, max_examples=50)
@given(TEXTS)
def test_vectors_have_unit_length_exactly_for_readable_texts(text: str) -> None:
    (vector,) = NGRAMS.encode([text])
    norm = float(np.linalg.norm(vector))
    assert norm == 0 if not vector.any() else abs(norm - 1) < 1e-6
    if text.isascii():
        assert bool(vector.any()) == is_readable(text)


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_codes_do_not_depend_on_their_neighbours_nor_on_length(texts: list[str]) -> None:
    vectors = NGRAMS.encode(texts)
    codes = simhash(vectors)
    assert codes.any(1).tolist() == vectors.any(1).tolist()
    np.testing.assert_array_equal(simhash(vectors[::-1])[::-1], codes)
    np.testing.assert_array_equal(simhash(vectors * 8), codes)
    np.testing.assert_array_equal(simhash(unpack_signs(codes)).any(1), codes.any(1))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 3), TEXTS), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_mean_of_reviews_does_not_depend_on_their_order_nor_batches(
    reviews: list[tuple[int, str]], random: Random
) -> None:
    def mean(written: list[tuple[int, str]], cut: int) -> NDArray[np.float16]:
        content = ItemContent(ModelConfig())
        for part in (written[:cut], written[cut:]):
            if part:
                content.review(np.array([item for item, _ in part]), NGRAMS.encode([text for _, text in part]))
        return np.asarray(content.state()["mean"])

    other = list(reviews)
    random.shuffle(other)
    np.testing.assert_allclose(mean(reviews, len(reviews)), mean(other, len(reviews) // 2), atol=2e-3)


@settings(deadline=None, max_examples=50)
@given(st.lists(FLOATS, min_size=2, max_size=50))
def test_value_buckets_rise_with_the_value_and_turn_with_its_sign(values: list[float]) -> None:
    rising = np.sort(np.array(values, np.float32))
    buckets = value_buckets(rising).astype(np.int64)
    assert (np.diff(buckets) >= 0).all()
    assert buckets.min() > 0
    turned = value_buckets(-rising).astype(np.int64)
    inside = (buckets > 1) & (buckets < 255) & (turned > 1) & (turned < 255)
    np.testing.assert_array_equal((buckets + turned)[inside], 256)
