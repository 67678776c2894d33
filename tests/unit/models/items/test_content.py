from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import ModelConfig
from models.errors import WeightsError
from models.items.content import ItemContent, content_width
from models.text.encoder_factory import text_encoder


@pytest.fixture
def content(config: ModelConfig) -> ItemContent:
    return ItemContent(config)


def texts(*text: str) -> NDArray[np.float32]:
    encoder = text_encoder(ModelConfig())
    assert encoder is not None
    return encoder.encode(text)


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector))


def row(content: ItemContent, item: int) -> NDArray[np.float32]:
    content.refresh()
    (vector,) = content.rows(np.array([item]))
    return np.asarray(vector)


def review(content: ItemContent, item: list[int], *text: str) -> None:
    content.review(np.array(item), texts(*text))


def test_width_is_that_of_text_and_features(config: ModelConfig) -> None:
    assert content_width(config) == 512
    assert content_width(replace(config, features=3)) == 515
    assert content_width(replace(config, text="none", features=3)) == 3
    assert content_width(replace(config, text="none")) == 0


def changes(content: ItemContent, version: int = 0) -> tuple[int, list[int]]:
    """Version and changed items since `version`, after a refresh."""
    content.refresh()
    now, items = content.changed_since(version)
    return now, items.tolist()


def rows(content: ItemContent, items: range) -> NDArray[np.float32]:
    content.refresh()
    return content.rows(np.array(items))


def test_items_without_content_have_zero_rows_and_take_no_memory(content: ItemContent) -> None:
    assert content.refresh() == 0
    assert changes(content)[1] == []
    assert content.rows(np.array([0, 1, 10**9])).shape == (3, 512)
    assert not content.rows(np.array([0, 1, 10**9])).any()
    content.describe(10**8, "", ())
    assert content.refresh() == 0


def test_description_is_replaced_and_removed(content: ItemContent) -> None:
    content.describe(3, "electric guitar", ())
    np.testing.assert_allclose(row(content, 3), texts("electric guitar")[0], atol=1e-3)
    content.describe(3, "drum kit", ())
    np.testing.assert_allclose(row(content, 3), texts("drum kit")[0], atol=1e-3)
    content.describe(3, "", ())
    assert not row(content, 3).any()


def test_the_last_of_two_descriptions_applies(content: ItemContent) -> None:
    content.describe(3, "electric guitar", ())
    content.describe(3, "", ())
    assert not row(content, 3).any()


def test_mean_of_the_reviews_is_added_to_the_description(content: ItemContent) -> None:
    content.describe(2, "guitar", ())
    review(content, [2, 5, 2], "sounds great", "broke", "never in tune")
    first, other, third = texts("sounds great", "broke", "never in tune")
    np.testing.assert_allclose(row(content, 2), unit(texts("guitar")[0] + (first + third) / 2), atol=2e-3)
    np.testing.assert_allclose(row(content, 5), other, atol=1e-3)
    content.describe(2, "bass", ())
    np.testing.assert_allclose(row(content, 2), unit(texts("bass")[0] + (first + third) / 2), atol=2e-3)


def test_mean_of_reviews_continues_over_batches(content: ItemContent) -> None:
    reviews = ["one string", "two strings", "three bows", "four hands"]
    for text in reviews:
        review(content, [1], text)
    np.testing.assert_allclose(row(content, 1), unit(texts(*reviews).mean(0)), atol=2e-3)


def test_an_item_with_many_reviews_still_changes(content: ItemContent) -> None:
    for item in range(2, 60):
        content.describe(item, f"{item} other things", ())
    content.review(np.ones(50_000, np.int64), np.repeat(texts("fine"), 50_000, 0))
    content.review(np.ones(5_000, np.int64), np.repeat(texts("broken"), 5_000, 0))
    assert row(content, 1) @ texts("broken")[0] > row(content, 1) @ texts("fine")[0]


def test_numbers_follow_the_text_standardised_over_the_items(config: ModelConfig) -> None:
    content = ItemContent(replace(config, features=2, numbers="price, stock"))
    for item, price in enumerate((1.0, 10.0, 1e9), 1):
        content.describe(item, "guitar", content.numbers((100 * item, -item), {"price": price, "colour": 3.0}))
    numbers = rows(content, range(1, 4))[:, 512:]
    deviation = np.array([-1.2247, 0, 1.2247])
    np.testing.assert_allclose(numbers[:, 0], deviation / np.sqrt(2), atol=1e-3)
    np.testing.assert_allclose(numbers[:, 1], -deviation / np.sqrt(2), atol=1e-3)
    logs = np.log1p([1.0, 10.0, 1e9])
    np.testing.assert_allclose(numbers[:, 2], (logs - logs.mean()) / logs.std() / np.sqrt(2), atol=1e-3)
    assert not numbers[:, 3].any(), "no item has it"
    assert rows(content, range(1, 4))[:, :512].any(1).all()


def test_missing_numbers_are_the_mean_and_mistaken_ones_are_bounded(config: ModelConfig) -> None:
    content = ItemContent(replace(config, text="none", features=1, numbers="price"))
    random = np.random.default_rng(0)
    for item in range(1, 101):
        content.describe(item, "", content.numbers((float(random.normal()),), {}))
    content.describe(101, "", content.numbers((1e12,), {"price": 5.0}))
    content.describe(102, "", content.numbers((), {"price": 6.0}))
    assert content.numbers((), {}) == ()
    assert row(content, 102)[0] == 0
    assert row(content, 50)[1] == 0
    assert row(content, 101)[0] == 4, "clipped"
    content.describe(102, "", ())
    assert not row(content, 102).any()


def test_the_scale_of_numbers_follows_the_stream_and_rarely_changes_rows(config: ModelConfig) -> None:
    content = ItemContent(replace(config, text="none", numbers="price"))
    versions = []
    for item in range(1, 65):
        content.describe(item, "", content.numbers((), {"price": 1000.0 + item}))
        before = content.changed_since(0)[0]
        content.refresh()
        versions.append(content.changed_since(before)[1].size > 1)
    assert [number for number, changed in enumerate(versions, 1) if changed] == [2, 4, 8, 16, 32, 64]
    assert np.abs(rows(content, range(1, 65)).std() - 1) < 1e-3


def test_an_evicted_item_keeps_its_numbers(config: ModelConfig) -> None:
    content = ItemContent(replace(config, text="none", features=1, numbers="price"))
    for item in range(1, 5):
        content.describe(item, "", content.numbers((item,), {"price": 10.0 * item}))
    before = row(content, 3)
    description = content.take(3)
    assert not row(content, 3).any()
    content.put(9, description)
    np.testing.assert_allclose(row(content, 9), before, rtol=0.3)
    np.testing.assert_allclose(description.numbers, [3, 30], rtol=1e-5)


def test_changed_items_are_reported_once_per_version(content: ItemContent) -> None:
    content.describe(7, "guitar", ())
    content.describe(9, "bass", ())
    version, changed = changes(content)
    assert changed == [7, 9]
    assert changes(content, version)[0] == version
    assert changes(content, version)[1] == []
    review(content, [9, 2000], "good", "bad")
    later, changed = changes(content, version)
    assert changed == [9, 2000]
    assert changes(content)[1] == [7, 9, 2000]
    assert later > version


def test_state_restores_the_reviews_and_their_weight(config: ModelConfig, content: ItemContent) -> None:
    content.describe(1, "guitar", ())
    review(content, [1, 1, 4], "great", "fine", "broke")
    restored = ItemContent(config)
    restored.restore(content.state())
    assert changes(restored)[1] == [1, 4]
    np.testing.assert_allclose(row(restored, 1), unit(texts("great", "fine").mean(0)), atol=2e-3)
    for item_content in (content, restored):
        review(item_content, [4], "works")
    np.testing.assert_array_equal(row(restored, 4), row(content, 4))
    assert ItemContent(config).state() == {}


def test_state_is_a_copy(content: ItemContent) -> None:
    review(content, [1], "great")
    state = content.state()
    before = state["mean"].copy()
    review(content, [1], "broke")
    np.testing.assert_array_equal(state["mean"], before)


def test_reviews_of_another_encoder_are_refused(config: ModelConfig, content: ItemContent) -> None:
    state = {"item": np.array([1]), "mean": np.ones((1, 384), np.float16), "count": np.array([1], np.int32)}
    with pytest.raises(WeightsError, match=r"384 numbers there, of 512 here.*model\.text"):
        content.restore(state)


def test_the_mean_of_all_texts_is_subtracted(content: ItemContent) -> None:
    for item in range(1, 41):
        content.describe(item, f"electric guitar, model {1000 + item * item}", ())
    vectors = rows(content, range(1, 41))
    plain = texts(*(f"electric guitar, model {1000 + item * item}" for item in range(1, 41)))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert (plain @ plain.T).mean() > 0.5
    assert abs((vectors @ vectors.T).mean()) < 0.02
    expected = plain - plain.mean(0)
    np.testing.assert_allclose(vectors[7], unit(expected[7]), atol=5e-3)


def test_rounding_does_not_distinguish_items_with_the_same_text(content: ItemContent) -> None:
    for item in range(1, 41):
        content.describe(item, "electric guitar", ())
    assert np.linalg.norm(rows(content, range(1, 41)), axis=1).max() < 0.02


def test_the_mean_is_updated_when_texts_have_doubled(content: ItemContent) -> None:
    for item in range(1, 33):
        content.describe(item, f"guitar {item}", ())
    version, changed = changes(content)
    assert changed == list(range(1, 33))
    before = row(content, 9)
    review(content, [1] * 31, *(["loud"] * 31))
    version, changed = changes(content, version)
    assert changed == [1]
    np.testing.assert_array_equal(row(content, 9), before)
    review(content, [2], "loud")  # the 64th text
    _, changed = changes(content, version)
    assert changed == list(range(1, 33))
    assert not np.array_equal(row(content, 9), before)


def test_numbers_do_not_change_what_text_is(config: ModelConfig) -> None:
    content, alone = ItemContent(replace(config, features=1)), ItemContent(config)
    for item in range(1, 41):
        content.describe(item, f"guitar {item}", (float(item),))
        alone.describe(item, f"guitar {item}", ())
    np.testing.assert_array_equal(rows(content, range(1, 41))[:, :512], rows(alone, range(1, 41)))
