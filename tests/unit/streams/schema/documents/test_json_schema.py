import json
from typing import Any

import msgspec
import numpy as np
import pytest
from aiokafka import ConsumerRecord
from jsonschema import Draft202012Validator

from models.inference.predictions import ModelVersion, Predictions
from models.items.vocabulary import ItemVocabulary
from streams.errors import Rejected
from streams.schema.decoder import decode, decode_item
from streams.schema.documents.json_schema import FOLDER, schemas, text
from streams.schema.events import Event, ItemDelete, ItemUpsert, UserDelete, UserEvent
from streams.schema.prediction_encoder import EventOrigins, encode
from tests.records import consumer_record

CLICK: dict[str, Any] = {"event_type": "click", "user_id": "u1", "item_id": "i9", "timestamp": 1_731_900_000_123}
ITEM = {"title": "T", "text": "long", "categories": ["a", "b"], "features": [0.5, 1], "protected": True}
EVERYTHING = {
    "schema_version": 1,
    "event_id": "e",
    "session_id": "s",
    "value": 4.5,
    "text": "fine",
    "lang": "en",
    "prediction_id": "p",
    "decision_id": "d",
    "impression": ["i9"],
    "properties": {"a": [1]},
}

USER_EVENT_RECORDS: list[dict[str, Any]] = [
    CLICK,
    CLICK | EVERYTHING,
    CLICK | {"unknown": 1},
    CLICK | {"timestamp": 1_731_900_000},
    CLICK | {"timestamp": 1_731_900_000.5},
    CLICK | {"timestamp": "2024-11-18T03:20:00Z"},
    CLICK | {"value": None, "text": None},
    {"event_type": "search", "user_id": "u1", "timestamp": 0, "text": "shoes"},
    {"event_type": "hover", "user_id": "u1", "timestamp": 0},
    {"event_type": "user.delete", "user_id": "u1"},
    {"event_type": "item.upsert", "item_id": "i9"} | ITEM,
    {"event_type": "item.delete", "item_id": "i9"},
    {"event_type": "click", "user_id": 17, "item_id": 4711, "timestamp": 1_731_900_000_123_456},
    CLICK | {"timestamp": 1_731_900_000_123_456_789},
    CLICK | {"timestamp": "1731900000123"},
]
WRONG_FIELDS: list[dict[str, Any]] = [
    {"user_id": ""},
    {"user_id": 1.5},
    {"user_id": ["u1"]},
    {"item_id": {"id": 9}},
    {"event_type": "user.delete", "user_id": None},
    {"item_id": None},
    {"timestamp": None},
    {"timestamp": True},
    {"schema_version": 2},
]
REFUSED_USER_EVENT_RECORDS: list[Any] = [
    [],
    {},
    {name: CLICK[name] for name in CLICK if name != "item_id"},
    {"event_type": "item.upsert", "title": "T"},
    {"event_type": "user.delete"},
    *(CLICK | wrong for wrong in WRONG_FIELDS),
]
CATALOG_RECORDS: list[dict[str, Any]] = [{}, ITEM, {"title": "T", "year": 1999}]
REFUSED_CATALOG_RECORDS: list[Any] = [[], {"schema_version": 2}]


def valid(name: str, value: object) -> bool:
    return Draft202012Validator(schemas()[name]).is_valid(value)


def record(value: object) -> "ConsumerRecord[bytes, bytes]":
    key = str(value.get("user_id")).encode() if isinstance(value, dict) else b"u1"
    return consumer_record(json.dumps(value).encode(), key)


def test_the_files_are_current() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert files == {name: text(schema) for name, schema in schemas().items()}, (
        "python -m streams.schema.documents.json_schema"
    )


@pytest.mark.parametrize("name", sorted(schemas()))
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize("value", USER_EVENT_RECORDS)
def test_an_event_that_is_decoded_is_valid(value: dict[str, Any]) -> None:
    _, rejected = decode(record(value))
    assert rejected is None
    Draft202012Validator(schemas()["user-event"]).validate(value)


@pytest.mark.parametrize("value", REFUSED_USER_EVENT_RECORDS)
def test_an_event_that_is_refused_is_not_valid(value: object) -> None:
    _, rejected = decode(record(value))
    assert rejected is not None
    assert not valid("user-event", value)


@pytest.mark.parametrize("value", CATALOG_RECORDS)
def test_an_item_that_is_decoded_is_valid(value: dict[str, Any]) -> None:
    decode_item(record(value))
    Draft202012Validator(schemas()["catalog-item"]).validate(value)


@pytest.mark.parametrize("value", REFUSED_CATALOG_RECORDS)
def test_an_item_that_is_refused_is_not_valid(value: object) -> None:
    with pytest.raises(Rejected):
        decode_item(record(value))
    assert not valid("catalog-item", value)


@pytest.mark.parametrize(
    "event",
    [
        UserEvent("u1", "click", 1_731_900_000_123, "i9"),
        UserDelete("u1", "user.delete", 1_731_900_000_123),
        ItemUpsert(item_id="i9", title="T"),
        ItemDelete("i9"),
    ],
)
def test_an_event_that_is_encoded_is_valid(event: Event) -> None:
    Draft202012Validator(schemas()["user-event"]).validate(json.loads(msgspec.json.encode(event)))


def test_a_prediction_that_is_encoded_is_valid() -> None:
    items = ItemVocabulary(10)
    items.add("i1")
    items.describe("i1", "First", ["Drama"])
    p = np.array([[0.25, 0.0]], np.float32)
    padded = Predictions(
        np.array([0]), np.array([[1, 0]]), p, 1 - p.sum(1), np.array([[0, -1]]), p, np.array([[1, 0]]), p,
        np.array([[0.5, 0, 0, 0.5]], np.float32), ModelVersion(1, 3),
    )  # fmt: skip
    event = UserEvent("u1", "click", 1_731_900_000_123, "i1", event_id="e")
    (value,) = encode(padded, EventOrigins("user-events", [event], [3], [991], [-1], [1]), items, 1_731_900_000_150)
    prediction = json.loads(value)
    Draft202012Validator(schemas()["interest-prediction"]).validate(prediction)
    for field in prediction:
        without = {name: prediction[name] for name in prediction if name != field}
        assert valid("interest-prediction", without) == (field == "schema_version")
    assert not valid("interest-prediction", prediction | {"other_p": 1.5})
    vectors = {"short_term": [0.5, -1.25], "long_term": [0.0, 3.0]}
    assert valid("interest-prediction", prediction | vectors)
    assert not valid("interest-prediction", prediction | vectors | {"long_term": None})
