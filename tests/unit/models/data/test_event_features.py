import numpy as np

from models.data.event_features import VALUE_BUCKETS, EventFeatures, value_buckets
from models.text.sign_codes import BYTES
from models.text.simhash import simhash


def random_features(shape: tuple[int, ...], code_bytes: int = BYTES) -> EventFeatures:
    """Half of the events have a value, half a text."""
    random = np.random.default_rng(2)
    item, kind, gap = (random.integers(0, 9, shape) for _ in range(3))
    value = (random.integers(0, VALUE_BUCKETS, shape) * random.integers(0, 2, shape)).astype(np.uint8)
    text = simhash(random.normal(size=(int(np.prod(shape)), 64)).astype(np.float32)).reshape(*shape, BYTES)
    text *= random.integers(0, 2, (*shape, 1)).astype(np.uint8)
    return EventFeatures(item, kind, gap, value, text[..., :code_bytes])


def test_no_value_is_bucket_0_and_no_other_is() -> None:
    values = np.array([np.nan, 0, -1e-30, 1e30, -1e30, np.inf, -np.inf], np.float32)
    assert value_buckets(values).tolist() == [0, 128, 128, 255, 1, 255, 1]


def test_every_half_star_has_its_own_bucket() -> None:
    stars = np.arange(0, 5.5, 0.5, dtype=np.float32)
    assert len(set(value_buckets(stars).tolist())) == len(stars)


def test_an_octave_of_prices_has_eight_buckets() -> None:
    assert value_buckets(np.array([1023, 2047], np.float32)).tolist() == [208, 216]


def test_where_clears_all_features_of_an_event() -> None:
    features, valid = random_features((3, 4)), np.zeros((3, 4), np.bool_)
    valid[1, 2] = True
    masked = features.where(valid)
    for name in ("item", "type", "gap", "value", "text"):
        array = getattr(masked, name)
        np.testing.assert_array_equal(array[1, 2], getattr(features, name)[1, 2])
        array[1, 2] = 0
        assert not array.any()


def test_parts_join_flatten_and_are_overwritten_with_their_texts() -> None:
    features = random_features((3, 4))
    flat = features.flat()
    assert (len(flat), flat.text.shape) == (12, (12, BYTES))
    joined = EventFeatures.concatenate([flat[:5], flat[5:]])
    np.testing.assert_array_equal(joined.text, flat.text)
    other = EventFeatures.zeros((12,), BYTES)
    other.put(slice(2, 4), flat[6:8])
    np.testing.assert_array_equal(other.text[2:4], flat.text[6:8])
    np.testing.assert_array_equal(other.value[2:4], flat.value[6:8])
    assert not other.text[4:].any()
