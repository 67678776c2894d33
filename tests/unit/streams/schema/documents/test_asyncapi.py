"""The AsyncAPI document: current, complete, and of the records that are really written."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from streams.errors import Rejected
from streams.kafka.topic_specs import every_topic_spec
from streams.schema.dead_letters.dead_letter import dead_letter
from streams.schema.documents.asyncapi import FILE, document, text
from streams.settings.settings import Settings
from tests.asyncapi_schema import asyncapi_schema
from tests.records import consumer_record

CLICK: dict[str, Any] = {"event_type": "click", "user_id": "u1", "item_id": "i9", "timestamp": 1_731_900_000_123}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolved(reference: str) -> Any:
    """What the reference names; KeyError where that is nothing."""
    part: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def payload_is_valid(message: str, value: object) -> bool:
    reference = resolved(f"#/components/messages/{message}")["payload"]["$ref"]
    return bool(Draft7Validator({"$ref": reference, "components": document()["components"]}).is_valid(value))


def test_the_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "python -m streams.schema.documents.asyncapi"


@pytest.mark.slow
def test_it_is_valid_by_the_schema_of_asyncapi_itself() -> None:
    official = Draft7Validator(asyncapi_schema())
    assert [error.message for error in official.iter_errors(document())] == []
    channel = document()["channels"]["userEvent"]
    wrong = document() | {"channels": {"userEvent": channel | {"messages": []}}}
    assert not official.is_valid(wrong)


def test_every_reference_names_a_part() -> None:
    names = set(references(document()))
    assert len(names) > 20
    for name in names:
        assert resolved(name)


def test_every_topic_has_a_channel_and_no_other() -> None:
    addresses = sorted(channel["address"] for channel in document()["channels"].values())
    assert addresses == sorted(spec.name for spec in every_topic_spec(Settings()))


@pytest.mark.parametrize(
    ("message", "value", "valid"),
    [
        ("userEvent", CLICK, True),
        ("userEvent", {"event_type": "user.delete", "user_id": "u1"}, True),
        ("userEvent", CLICK | {"user_id": ""}, False),
        ("catalogItem", {"title": "T", "categories": ["a"]}, True),
        ("catalogItem", {"title": 1}, False),
        ("interestPrediction", {}, False),
        ("interestQuality", {}, False),
        ("decisionRequest", {"user_id": "u1"}, True),
        ("decisionRequest", {"user_id": "u1", "size": 0}, False),
        ("interestDecision", {}, False),
        ("interestReward", {}, False),
        ("interestExperiment", {}, False),
    ],
)
def test_payloads_are_those_of_the_json_schemas(message: str, value: object, valid: bool) -> None:
    assert payload_is_valid(message, value) is valid


def test_the_headers_of_dead_letters_are_those_that_are_written() -> None:
    headers = resolved("#/components/messages/deadLetter/headers")
    record = consumer_record(b"x" * 2000, b"u1", headers=[("trace", b"y" * 3000)])
    rejected = Rejected("not_json", "no JSON")
    rejected.events = (1,)
    written = {name for name, _ in dead_letter(record, rejected, "1.0", max_bytes=1000).headers}
    assert set(headers["required"]) < written == set(headers["properties"])
