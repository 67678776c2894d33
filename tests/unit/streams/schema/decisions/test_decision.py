import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from streams.errors import Rejected
from streams.schema.decisions.decision import (
    Decision,
    DecisionRequest,
    decode_decision,
    decode_request,
    encode_decision,
)
from streams.schema.decisions.reward import Reward, decode_reward
from streams.schema.documents.json_schema import schemas

DECISION = Decision(
    decision_id="decision-requests:3:17",
    user_id="u1",
    time=1_731_900_000_123,
    slate=("i7", "i2"),
    propensities=(0.5, 0.8),
    policy="softmax",
    policy_version=12,
    model_version="5e1f09d4.17",
    prediction_id="user-events:3:991",
    candidates=4,
    features=((0.04, 0.31), (0.03, 0.12)),
)
REWARD = Reward(
    decision_id="decision-requests:3:17",
    user_id="u1",
    time=1_731_900_000_123,
    closed_at=1_731_901_800_123,
    closed="horizon",
    policy="softmax",
    policy_version=12,
    slate=("i7", "i2"),
    propensities=(0.5, 0.8),
    rewards=(0.0, 1.0),
    reward=1.0,
    feedback={"click": 1},
)


def valid(name: str, value: object) -> bool:
    return Draft202012Validator(schemas()[name]).is_valid(value)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("interest-decision", DECISION),
        ("interest-reward", REWARD),
        ("decision-request", DecisionRequest("u1")),
        ("decision-request", DecisionRequest("u1", 3, ("i1",), ("c",), ("i2",), "e", "r")),
    ],
)
def test_what_is_encoded_is_valid(name: str, record: msgspec.Struct) -> None:
    Draft202012Validator(schemas()[name]).validate(json.loads(msgspec.json.encode(record)))


def test_decisions_and_rewards_are_decoded_as_they_were_encoded_and_unknown_fields_are_ignored() -> None:
    assert decode_decision(encode_decision(DECISION)) == DECISION
    assert decode_reward(msgspec.json.encode(REWARD)) == REWARD
    assert decode_decision(msgspec.json.encode(msgspec.to_builtins(DECISION) | {"new": [1]})) == DECISION


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "null_value"),
        (b"{", "not_json"),
        (b'{"user_id": "\xff"}', "not_json"),
        (b"[" * 3000, "wrong_type"),
        (b"[]", "wrong_type"),
        (b"{}", "wrong_type"),
        (b'{"user_id": "u1", "size": 0}', "wrong_type"),
        (b'{"user_id": "u1", "size": 101}', "wrong_type"),
        (b'{"user_id": "u1", "candidates": "i1"}', "wrong_type"),
        (b'{"user_id": "u1", "schema_version": 2}', "wrong_type"),
        (b'{"user_id": "u2"}', "key_mismatch"),
    ],
)
def test_a_record_that_is_no_request_is_refused_with_a_reason(value: bytes | None, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_request(b"u1", value)
    assert caught.value.code == code


def test_a_user_whose_id_is_reserved_is_refused() -> None:
    with pytest.raises(Rejected, match="reserved_id"):
        decode_request(b"\0u", b'{"user_id": "\\u0000u"}')


@pytest.mark.parametrize("wrong", [{"propensities": [0.0]}, {"propensities": [1.5]}, {"slate": "i1"}, {"user_id": 1}])
def test_a_decision_without_a_propensity_is_none(wrong: dict[str, Any]) -> None:
    assert not valid("interest-decision", msgspec.to_builtins(DECISION) | wrong)
    with pytest.raises(msgspec.ValidationError):
        decode_decision(msgspec.json.encode(msgspec.to_builtins(DECISION) | wrong))
