import json
from dataclasses import replace
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jsonschema import Draft202012Validator
from msgspec import UNSET

from models.data.event_types import EVENT_TYPES, type_index
from models.inference.predictions import CARRIERS, InterestParts, ModelVersion, Outlook, Predictions
from models.items.vocabulary import ItemVocabulary
from streams.schema.documents.json_schema import schemas
from streams.schema.events import UserEvent
from streams.schema.prediction_encoder import EventOrigins, encode, rounded, truncated
from streams.schema.predictions import Carriers, Horizon, Prediction, Source, decode

P = np.float32


@pytest.fixture
def items() -> ItemVocabulary:
    items = ItemVocabulary(100)
    for number in range(1, 6):
        items.add(f"i{number}")
    items.describe("i1", "First", ["Drama", "Sci-Fi"])
    return items


@pytest.fixture
def origins() -> EventOrigins:
    events = [UserEvent(f"u{n}", "click", 1_731_900_000_000 + n, "i1", event_id=f"e{n}") for n in range(3)]
    return EventOrigins("user-events", events, [3, 3, 4], [991, 992, 7], [-1, -1, -1], [118, 1, 2])


def predictions(
    event: list[int], item: list[list[int]], item_p: list[list[float]], **rest: list[list[float]]
) -> Predictions:
    rows = len(event)
    p = np.array(item_p, P)
    return Predictions(
        np.array(event, np.int64),
        np.array(item, np.int64),
        p,
        1 - p.sum(axis=1),
        np.array(rest.get("category", [[0, 1]] * rows), np.int64),
        np.array(rest.get("category_p", [[0.5, 0.25]] * rows), P),
        np.array(rest.get("because", [[2]] * rows), np.int64),
        np.array(rest.get("because_weight", [[0.75]] * rows), P),
        np.array(rest.get("carried_by", [[0.5, 0.25, 0.125, 0.125]] * rows), P),
        ModelVersion(0xC0FFEE, 17),
    )


def test_a_prediction_tells_all_it_knows(items: ItemVocabulary, origins: EventOrigins) -> None:
    (value,) = encode(predictions([0], [[2, 5]], [[0.5, 0.125]]), origins, items, 1_731_900_000_150)
    assert json.loads(value) == {
        "schema_version": 1,
        "prediction_id": "user-events:3:991",
        "user_id": "u0",
        "caused_by": "e0",
        "event_time": 1_731_900_000_000,
        "emitted_at": 1_731_900_000_150,
        "model_version": "00c0ffee.17",
        "state_version": 118,
        "source": {"topic": "user-events", "partition": 3, "offset": 991},
        "items": ["i2", "i5"],
        "item_p": [0.5, 0.125],
        "other_p": 0.375,
        "categories": ["Drama", "Sci-Fi"],
        "category_p": [0.5, 0.25],
        "because": ["i2"],
        "because_weight": [0.75],
        "because_other": 0.125,
        "carried_by": {"attention": 0.5, "copying": 0.25, "following": 0.125, "popularity": 0.125},
    }


def test_a_prediction_of_an_earlier_release_is_read(items: ItemVocabulary, origins: EventOrigins) -> None:
    (value,) = encode(predictions([0], [[2]], [[0.5]]), origins, items, 0)
    earlier = json.loads(value) | {"model_version": "m17", "prediction_id": "user-events:3:991:m17"}
    assert decode(json.dumps(earlier).encode()).model_version == "m17"


def test_each_prediction_belongs_to_the_event_it_points_at(items: ItemVocabulary, origins: EventOrigins) -> None:
    values = encode(predictions([2, 0], [[1], [2]], [[0.5], [0.25]]), origins, items, 0)
    read = [decode(value) for value in values]
    assert [(p.prediction_id, p.user_id, p.caused_by, p.state_version, p.items) for p in read] == [
        ("user-events:4:7", "u2", "e2", 2, ["i1"]),
        ("user-events:3:991", "u0", "e0", 118, ["i2"]),
    ]
    assert read[0].source == Source("user-events", 4, 7)


def test_short_and_long_term_are_told_where_the_model_keeps_them_apart(
    items: ItemVocabulary, origins: EventOrigins
) -> None:
    without = predictions([2, 0], [[1], [2]], [[0.5], [0.25]])
    short, long = np.array([[0.123456, -2.0], [0, 1e-9]], P), np.array([[3.00001, 12345.6], [-0.0004321987, 1]], P)
    values = encode(replace(without, parts=InterestParts(short, long)), origins, items, 0)
    read = [decode(value) for value in values]
    assert [p.short_term for p in read] == [[0.1235, -2.0], [0.0, 1e-9]]
    assert [p.long_term for p in read] == [[3.0, 12346.0], [-0.0004322, 1.0]]
    plain = encode(without, origins, items, 0)
    assert [b"short_term" in value or b"long_term" in value for value in plain] == [False, False]
    assert decode(plain[0]).long_term is UNSET
    assert json.loads(values[0]).keys() - json.loads(plain[0]).keys() == {"short_term", "long_term"}


@given(arrays(P, 20, elements=st.floats(-9999, 9999, width=32)))
def test_numbers_of_vectors_keep_four_digits(numbers: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    result = rounded(numbers)
    np.testing.assert_allclose(result, numbers, rtol=5.001e-4, atol=1e-15)
    np.testing.assert_array_equal(rounded(result.astype(P)), result)


def test_an_outlook_is_told_after_a_users_last_event(items: ItemVocabulary, origins: EventOrigins) -> None:
    made = predictions([0, 1], [[2, 5], [2, 5]], [[0.5, 0.125]] * 2)
    outlook = Outlook(
        np.array([[0.25, 0.5, 0.75]], P),
        np.array([[[2, 5], [2, 0], [0, 0]]]),
        np.array([[[0.5, 0.25], [0.5, 0], [0, 0]]], P),
        np.array([[[1, 0], [0, -1], [-1, -1]]]),
        np.array([[[0.5, 0.25], [0.5, 0], [0, 0]]], P),
    )
    only_interest = encode(replace(made, outlook=outlook, outlook_row=np.array([-1, 0])), origins, items, 0)[1]
    assert [(one.type_p, one.spent) for one in decode(only_interest).horizons or ()] == [(UNSET, UNSET)] * 3
    type_p = np.zeros((1, 3, len(EVENT_TYPES)), P)
    type_p[0, :, type_index("click")] = [0.25, 0.5, 0.75]
    type_p[0, 2, type_index("purchase")] = 0.0625
    outlook = replace(outlook, type_p=type_p, spent=np.array([[0, 0, 12.34567]], P))
    without, with_outlook = encode(replace(made, outlook=outlook, outlook_row=np.array([-1, 0])), origins, items, 0)
    assert decode(without).horizons is decode(without).return_p is UNSET
    prediction = decode(with_outlook)
    assert prediction.return_p == {"1": 0.25, "7": 0.5, "30": 0.75}
    assert prediction.horizons == [
        Horizon(1, ["Sci-Fi", "Drama"], [0.5, 0.25], ["i2", "i5"], [0.5, 0.25], {"click": 0.25, "purchase": 0}, 0),
        Horizon(7, ["Drama"], [0.5], ["i2"], [0.5], {"click": 0.5, "purchase": 0}, 0),
        Horizon(30, [], [], [], [], {"click": 0.75, "purchase": 0.0625}, 12.35),
    ]
    assert json.loads(with_outlook)["horizons"][0] == {
        "days": 1,
        "categories": ["Sci-Fi", "Drama"],
        "category_p": [0.5, 0.25],
        "items": ["i2", "i5"],
        "item_p": [0.5, 0.25],
        "type_p": {"click": 0.25, "purchase": 0.0},
        "spent": 0.0,
    }
    Draft202012Validator(schemas()["interest-prediction"]).validate(json.loads(with_outlook))


def test_each_of_several_users_has_their_own_outlook(items: ItemVocabulary, origins: EventOrigins) -> None:
    random = np.random.default_rng(0)
    users, types = 3, len(EVENT_TYPES)
    outlook = Outlook(
        random.random((users, 3), P),
        random.integers(1, 6, (users, 3, 2)),
        random.random((users, 3, 2), P),
        random.integers(0, 2, (users, 3, 1)),
        random.random((users, 3, 1), P),
        type_p=random.random((users, 3, types), P),
        spent=random.random((users, 3), P),
    )
    made = predictions([0, 1, 2], [[1]] * users, [[0.5]] * users)
    rows = [2, 0, 1]
    values = encode(replace(made, outlook=outlook, outlook_row=np.array(rows)), origins, items, 0)
    for value, row in zip(map(decode, values), rows, strict=True):
        assert value.return_p == dict(zip(("1", "7", "30"), truncated(outlook.return_p[row]).tolist(), strict=True))
        for horizon, read in enumerate(value.horizons or ()):
            assert read.items == [f"i{number}" for number in outlook.item[row, horizon].tolist()]
            assert read.category_p == truncated(outlook.category_p[row, horizon]).tolist()
            assert outlook.type_p is not None
            assert list((read.type_p or {}).values()) == truncated(outlook.type_p[row, horizon]).tolist()


def test_padding_is_left_out_row_by_row(items: ItemVocabulary, origins: EventOrigins) -> None:
    padded = predictions(
        [0, 1],
        [[2, 0], [3, 4]],
        [[0.5, 0.0], [0.5, 0.25]],
        category=[[1, 0], [-1, -1]],
        category_p=[[0.5, 0.25], [0.0, 0.0]],
        because=[[0, 0], [1, 0]],
        because_weight=[[0.0, 0.0], [0.5, 0.0]],
        carried_by=[[0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.5, 0.0]],
    )
    first, second = (decode(value) for value in encode(padded, origins, items, 0))
    assert (first.items, first.item_p, first.other_p) == (["i2"], [0.5], 0.5)
    assert (second.items, second.item_p, second.other_p) == (["i3", "i4"], [0.5, 0.25], 0.25)
    assert (first.categories, first.category_p) == (["Sci-Fi", "Drama"], [0.5, 0.25])
    assert (second.categories, second.category_p) == ([], [])
    assert (first.because, first.because_weight) == ([], [])
    assert (second.because, second.because_weight) == (["i1"], [0.5])
    assert (first.because_other, second.because_other) == (0, 0.5)


def test_no_items_no_categories_and_no_rows_are_fine(items: ItemVocabulary, origins: EventOrigins) -> None:
    empty = predictions(
        [0], [[]], [[]], category=[[]], category_p=[[]], because=[[]], because_weight=[[]], carried_by=[[0.0] * 4]
    )
    (prediction,) = (decode(value) for value in encode(empty, origins, items, 0))
    assert (prediction.items, prediction.other_p, prediction.categories, prediction.because) == ([], 1.0, [], [])
    assert (prediction.because_other, prediction.carried_by) == (0, Carriers(0, 0, 0, 0))
    none = np.zeros((0, 3), np.int64)
    p, four = none.astype(P), np.zeros((0, 4), P)
    nothing = Predictions(none[:, 0], none, p, p[:, 0], none, p, none, p, four, ModelVersion(2, 17))
    assert encode(nothing, origins, items, 0) == []


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, 0.0),
        (1.0, 1.0),
        (1.0000001, 1.0),
        (0.123456789, 0.12345),
        (0.000123456789, 0.00012345),
        (1.23456e-30, 0.0),
        (0.5, 0.5),
    ],
)
def test_probabilities_keep_five_digits_and_never_grow(p: float, expected: float) -> None:
    assert truncated(np.array([p], P)).tolist() == [expected]


@given(arrays(P, (4, 10), elements=st.floats(0, 1, width=32)))
def test_with_other_p_the_probabilities_sum_to_one(weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    items = ItemVocabulary(10)
    for number in range(10):
        items.add(f"i{number}")
    items.describe("i0", "First", ["Drama", "Sci-Fi"])
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    p = -np.sort(-weights / total, axis=1)
    event = UserEvent("u", "click", 0, "i", event_id="e")
    batch = predictions([0] * 4, [list(range(1, 11))] * 4, p.tolist())
    values = encode(batch, EventOrigins("t", [event], [0], [0], [-1], [1]), items, 0)
    for prediction, exact in zip(map(decode, values), p, strict=True):
        assert abs(sum(prediction.item_p) + prediction.other_p - 1) < 1e-6
        assert prediction.item_p == sorted(prediction.item_p, reverse=True)
        np.testing.assert_allclose(prediction.item_p, exact, rtol=1e-4, atol=1e-15)
        assert max(len(str(one)) for one in [*prediction.item_p, prediction.other_p]) <= 10


_PARTS = st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7).filter(any)


@given(_PARTS)
@example([0, 0, 0, 0, 0, 0, 1])
@example([1, 0, 0, 0, 0, 0, 0])
@example([1, 1, 1, 0, 0, 0, 0])
def test_shares_as_decimals_sum_to_exactly_one(parts: list[float]) -> None:
    """Of three events that are shown, the other events and popularity; and of the carriers."""
    exact = np.array(parts) / sum(parts)
    shown, popularity = -np.sort(-exact[:3]), exact[6]
    carriers = np.array([exact[:2].sum(), exact[2], exact[3:6].sum(), popularity])
    items = ItemVocabulary(10)
    for number in range(4):
        items.add(f"i{number}")
    items.describe("i0", "First", ["Drama", "Sci-Fi"])
    event = UserEvent("u", "click", 0, "i", event_id="e")
    batch = predictions(
        [0], [[4]], [[1.0]], because=[[1, 2, 3]], because_weight=[shown.tolist()], carried_by=[carriers.tolist()]
    )
    (value,) = encode(batch, EventOrigins("t", [event], [0], [0], [-1], [1]), items, 0)
    record = json.loads(value, parse_float=Decimal)
    carried_by = record["carried_by"]
    assert sum(record["because_weight"]) + record["because_other"] + carried_by["popularity"] == 1
    assert sum(carried_by.values()) == 1
    shares = [*record["because_weight"], record["because_other"], *carried_by.values()]
    np.testing.assert_allclose(np.array(shares, float), [*shown, exact[3:6].sum(), *carriers], atol=5e-5)
    assert record["because_weight"] == sorted(record["because_weight"], reverse=True)
    assert min(shares) >= 0


def test_a_reader_ignores_fields_that_later_versions_add(items: ItemVocabulary, origins: EventOrigins) -> None:
    (value,) = encode(predictions([0], [[2]], [[0.5]]), origins, items, 0)
    later = json.dumps(json.loads(value) | {"propensity": 0.1}).encode()
    assert decode(later) == decode(value)
    assert isinstance(decode(later), Prediction)


def test_a_reader_refuses_another_major_version(items: ItemVocabulary, origins: EventOrigins) -> None:
    (value,) = encode(predictions([0], [[2]], [[0.5]]), origins, items, 0)
    with pytest.raises(msgspec.ValidationError, match="schema_version"):
        decode(value.replace(b'"schema_version":1', b'"schema_version":2'))


def test_carriers_are_those_of_the_model_in_its_order() -> None:
    assert Carriers.__struct_fields__ == CARRIERS
