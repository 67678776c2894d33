from dataclasses import replace

import numpy as np
import pytest

from models.config import ModelConfig
from models.data.events import EventBatch
from models.errors import UnknownItemError, WeightsError
from models.items.content import ItemContent
from models.items.register import ItemRegister
from models.items.reviews import Reviews, review_items
from models.items.slots import Registration
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


def registered(items: int) -> ItemRegister:
    register = ItemRegister()
    for number in range(1, items + 1):
        register.apply(f"i{number}", Registration())
    return register


MANY = 1 << 20


def test_encoded_reviews_are_those_of_the_chosen_rows(config: ModelConfig) -> None:
    here, there = ItemContent(config), ItemContent(config)
    given = batch([1, 2, 0, 1], ["good strings", "", "search for drums", "bad strings"])
    given = replace(given, user=np.array([0, 0, 1, 2]))
    reviews = Reviews.of(given, here)
    register = registered(30)
    (encoded,) = reviews.encode(np.array([True, True, False]), register, MANY)
    assert review_items(there, encoded, register) == 1
    assert there.encoder is not None
    np.testing.assert_allclose(there.state()["mean"], there.encoder.encode(["good strings"]), atol=1e-3)
    (encoded,) = reviews.encode(np.array([False, False, True]), register, MANY)
    assert review_items(there, encoded, register) == 1
    reviews.apply_to_items()
    for name, array in here.state().items():
        np.testing.assert_allclose(there.state()[name], array, atol=1e-3)
    assert reviews.encode(np.array([False, True, False]), register, MANY) == []  # a search is about no item
    assert Reviews.of(batch([1], None), here).encode(np.array([True]), register, MANY) == []


def test_encoded_reviews_are_cut_into_records_of_limited_size(config: ModelConfig) -> None:
    here, there, register = ItemContent(config), ItemContent(config), registered(20)
    reviews = Reviews.of(batch(list(range(1, 21)), [f"text {number}" for number in range(20)]), here)
    everyone = np.ones(20, np.bool_)
    encoded = reviews.encode(everyone, register, 3000)
    assert max(map(len, encoded)) <= 3000
    assert len(encoded) > 2
    assert sum(review_items(there, part, register) for part in encoded) == 20
    reviews.apply_to_items()
    np.testing.assert_allclose(there.state()["mean"], here.state()["mean"], atol=1e-3)
    assert len(reviews.encode(everyone, register, 1)) == 20


def test_reviews_name_items_by_their_registration_and_those_of_evicted_ones_are_left_out(config: ModelConfig) -> None:
    here, there, register = ItemContent(config), ItemContent(config), ItemRegister()
    for item_id in ("old", "kept"):
        register.apply(item_id, Registration(2))
    (before,) = Reviews.of(batch([1, 2], ["of old", "of kept"]), here).encode(np.ones(2, np.bool_), register, MANY)
    register.apply("new", Registration(2, [1]))
    (after,) = Reviews.of(batch([1], ["of new"]), here).encode(np.ones(1, np.bool_), register, MANY)
    assert review_items(there, before, register) == 2
    assert there.take_reviewed().tolist() == [2]
    assert review_items(there, after, register) == 1
    assert there.take_reviewed().tolist() == [1]


def test_reviews_that_do_not_fit_are_refused_and_nothing_is_added(config: ModelConfig) -> None:
    content = ItemContent(config)
    register = registered(7)
    (encoded,) = Reviews.of(batch([7], ["good"]), content).encode(np.array([True]), register, MANY)
    with pytest.raises(UnknownItemError):
        review_items(content, encoded, registered(6))
    without_text = ItemContent(replace(config, text="none", features=1))
    with pytest.raises(WeightsError, match=r"model\.text"):
        review_items(without_text, encoded, register)
    for damaged in (b"", encoded[:-3], b"x" * 99):
        with pytest.raises(WeightsError, match="damaged"):
            review_items(content, damaged, register)
    assert content.state() == {}


def test_items_that_were_reviewed_are_taken_once(config: ModelConfig) -> None:
    content = ItemContent(config)
    content.describe(2, "a title", ())
    Reviews.of(batch([5, 900], ["good", "bad"]), content).apply_to_items()
    assert content.take_reviewed().tolist() == [5, 900]
    assert content.take_reviewed().tolist() == []
    state = content.state(np.array([2, 900]))
    assert state["item"].tolist() == [900]
    assert content.state(np.array([2])) == {}
