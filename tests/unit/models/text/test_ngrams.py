import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from models.text.ngrams import MAX_CHARACTERS, WIDTH, HashedNgrams, is_readable, letters_only


@pytest.fixture
def ngrams() -> HashedNgrams:
    return HashedNgrams()


def cosines(ngrams: HashedNgrams, *texts: str) -> NDArray[np.float32]:
    """Of the first text with each of the others."""
    first, *others = ngrams.encode(texts)
    return np.array([other @ first for other in others])


@pytest.mark.parametrize(
    "text",
    [
        "guitar",
        "Straße",
        "гитара",
        "ギター",
        "吉他",
        "기타",
        "جيتار",
        "קיטרה",
        "กีตาร์",
        "🎸",
        "4",
        "x" * 3 * MAX_CHARACTERS,
        "²",
    ],
)
def test_readable_texts_have_unit_length(ngrams: HashedNgrams, text: str) -> None:
    (vector,) = ngrams.encode([text])
    assert vector.dtype == np.float32
    assert vector.shape == (WIDTH,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n", "...!?", "\u200b\u200d", "—", "。、"])
def test_unreadable_texts_are_zero(ngrams: HashedNgrams, text: str) -> None:
    assert not ngrams.encode([text]).any()
    assert not is_readable(text)


def test_no_texts_are_no_vectors(ngrams: HashedNgrams) -> None:
    assert ngrams.encode([]).shape == (0, WIDTH)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("electric guitar strings", "a guitar string", "microphone stand"),
        ("the strings", "these are strings", "the of and"),  # short words weigh little
        ("Gitarrensaiten", "Gitarrensaite", "Notenständer"),
        ("гитарные струны", "гитарная струна", "микрофон"),
        ("电吉他琴弦", "吉他的琴弦很好", "麦克风支架"),
        ("エレキギターの弦", "ギターの弦", "マイクスタンド"),
        ("أوتار الجيتار", "وتر الجيتار", "حامل الميكروفون"),
        ("🎸🎶", "🎸", "🎤"),
    ],
)
def test_texts_that_share_words_or_parts_are_nearer(ngrams: HashedNgrams, text: str, near: str, far: str) -> None:
    to_near, to_far = cosines(ngrams, text, near, far)
    assert to_near > to_far + 0.1


def test_case_form_and_punctuation_do_not_matter(ngrams: HashedNgrams) -> None:
    # Composed and decomposed, full width, ligature, soft hyphen.
    texts = ["caf\u00e9 STRASSE file", "cafe\u0301 straße ﬁle", "ｃａｆé, strasse; fi\u00adle!"]
    np.testing.assert_allclose(cosines(ngrams, *texts), 1, atol=1e-6)


def test_order_of_neighbouring_ideographs_matters(ngrams: HashedNgrams) -> None:
    (cosine,) = cosines(ngrams, "上海人", "人海上")
    assert 0 < cosine < 0.5


def test_characters_beyond_the_limit_are_not_read(ngrams: HashedNgrams) -> None:
    start = "strings " * (MAX_CHARACTERS // 8)
    np.testing.assert_array_equal(*ngrams.encode([start, start + "microphone"]))


def test_an_unpaired_surrogate_is_ignored(ngrams: HashedNgrams) -> None:
    vectors = ngrams.encode(["guitar \ud83c", "guitar"])
    np.testing.assert_array_equal(*vectors)


def test_another_process_gives_the_same_bits(ngrams: HashedNgrams) -> None:
    program = (
        "import sys; from models.text.ngrams import HashedNgrams; "
        "sys.stdout.buffer.write(HashedNgrams().encode(['Strings, 琴弦 🎸']).tobytes())"
    )
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert result.stdout == ngrams.encode(["Strings, 琴弦 🎸"]).tobytes()


@pytest.mark.parametrize("width", [1, 64, 1000])
def test_any_width_works(width: int) -> None:
    ngrams = HashedNgrams(width)
    assert ngrams.encode(["guitar"]).shape == (1, width)
    assert str(width) in ngrams.name


def test_letters_only_excludes_ideographs() -> None:
    assert [letters_only(character) for character in ("a", "é", "7", "弦", "あ", "🎸", ".")] == [True] * 3 + [False] * 4
