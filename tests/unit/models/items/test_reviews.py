from dataclasses import replace

import numpy as np

from models.config import ModelConfig
from models.data.events import EventBatch
from models.items.content import ItemContent
from models.items.reviews import Reviews
from models.text.simhash import simhash


def batch(item: list[int], text: list[str] | None) -> EventBatch:
    zeros = np.zeros(len(item), np.int64)
    return EventBatch(zeros, np.array(item), zeros, zeros, text=text)


def test_events_with_text_get_codes(config: ModelConfig) -> None:
    content = ItemContent(config)
    reviews = Reviews.of(batch([1, 2, 0], ["good strings", "", "drums"]), content)
    assert reviews.codes is not None
    assert content.encoder is not None
    expected = simhash(content.encoder.encode(["good strings", "", "drums"]))
    np.testing.assert_array_equal(reviews.codes, expected)
    assert reviews.codes.any(1).tolist() == [True, False, True]


def test_items_get_their_reviews_when_applied(config: ModelConfig) -> None:
    content = ItemContent(config)
    reviews = Reviews.of(batch([1, 2, 0, 1], ["good strings", "", "search for drums", "bad strings"]), content)
    assert content.refresh() == 0
    reviews.apply_to_items()
    assert content.changed_since(0)[1].tolist() == [1]  # a search is about no item
    assert content.encoder is not None
    expected = content.encoder.encode(["good strings", "bad strings"]).mean(0)
    np.testing.assert_allclose(content.state()["mean"][0], expected, atol=1e-3)


def test_without_texts_or_encoder_nothing_is_applied(config: ModelConfig) -> None:
    content, without_text = ItemContent(config), ItemContent(replace(config, text="none", features=1))
    given = batch([1], ["good"])
    for reviews in (
        Reviews.of(batch([1], None), content),
        Reviews.of(batch([1], [""]), content),
        Reviews.of(given, None),
        Reviews.of(given, without_text),
    ):
        assert reviews.codes is None
        reviews.apply_to_items()
    assert content.refresh() == without_text.refresh() == 0


def test_an_unreadable_text_counts_as_none(config: ModelConfig) -> None:
    reviews = Reviews.of(batch([1, 1], ["good", "?!"]), ItemContent(config))
    assert reviews.codes is not None
    assert reviews.codes.any(1).tolist() == [True, False]
