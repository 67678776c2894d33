import numpy as np
import pytest
from numpy.typing import NDArray

from models.text.sign_codes import BITS, BYTES, unpack_signs
from models.text.simhash import _projections, simhash


def pair(cosine: float, width: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random vectors of unit length with that cosine, each with its counterpart."""
    random = np.random.default_rng(4)
    first, other = random.normal(size=(2, count, width))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    other -= (other * first).sum(1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    second = cosine * first + np.sqrt(1 - cosine**2) * other
    return first.astype(np.float32), second.astype(np.float32)


@pytest.mark.parametrize("width", [64, 384, 512])
@pytest.mark.parametrize("cosine", [-0.9, 0.0, 0.5, 0.9, 1.0])
def test_cosine_of_codes_follows_the_angle(cosine: float, width: int) -> None:
    first, second = pair(cosine, width, 2000)
    cosines = (unpack_signs(simhash(first)) * unpack_signs(simhash(second))).sum(1)
    assert cosines.mean() == pytest.approx(1 - 2 * np.arccos(cosine) / np.pi, abs=0.01)
    assert cosines.std() <= 1 / 8 + 0.01


def test_codes_are_those_of_the_first_release() -> None:
    # They are stored in users' rows: a change of the projections would change every stored text.
    vectors = np.eye(3, 512, dtype=np.float32)
    assert [code.tobytes().hex() for code in simhash(vectors)] == [
        "71d73d94cc76b03b",
        "de32df67234a153b",
        "ca4e045bb6bd5aad",
    ]


def test_length_does_not_matter() -> None:
    vectors, _ = pair(0.0, 64, 50)
    np.testing.assert_array_equal(simhash(vectors), simhash(vectors * 1000))


def test_no_text_is_the_zero_code_and_back() -> None:
    codes = simhash(np.zeros((2, 64), np.float32))
    assert codes.shape == (2, BYTES)
    assert not codes.any()
    assert not unpack_signs(codes).any()
    assert simhash(np.zeros((0, 64), np.float32)).shape == (0, BYTES)


def test_some_text_is_never_the_zero_code() -> None:
    vectors, _ = pair(0.0, 64, 500)
    assert simhash(np.concatenate([vectors, -vectors])).any(1).all()
    against_all = np.linalg.solve(_projections(64).numpy().T, -np.ones(64)).astype(np.float32)
    assert simhash(against_all[None]).tolist() == [[1, 0, 0, 0, 0, 0, 0, 0]]


def test_vectors_have_unit_length_whatever_the_shape() -> None:
    vectors, _ = pair(0.0, 64, 6)
    vectors_of_codes = unpack_signs(simhash(vectors).reshape(2, 3, BYTES))
    assert vectors_of_codes.shape == (2, 3, BITS)
    np.testing.assert_allclose(np.linalg.norm(vectors_of_codes, axis=2), 1, rtol=1e-6)
