import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from streams.errors import ExperimentError
from streams.schema.decisions.experiment import (
    Arm,
    Experiment,
    Guardrail,
    checked,
    decode_experiment,
    encode_experiment,
)
from streams.schema.documents.json_schema import schemas

EXPERIMENT = Experiment(
    name="explore",
    created_at=1_731_900_000_123,
    arms=(Arm(name="usual"), Arm(name="thompson", policy="thompson", parameters={"scale": 0.5})),
    control="usual",
    salt="explore",
    guardrails=(Guardrail(metric="no_feedback", harm="increase", allowed=0.02),),
)


def changed(**fields: Any) -> bytes:
    return json.dumps(msgspec.to_builtins(EXPERIMENT) | fields).encode()


def test_what_is_encoded_is_valid_and_decoded_again() -> None:
    Draft202012Validator(schemas()["interest-experiment"]).validate(json.loads(encode_experiment(EXPERIMENT)))
    assert checked(EXPERIMENT) == EXPERIMENT
    assert decode_experiment(changed(new=[1])) == EXPERIMENT
    assert EXPERIMENT.control_index == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"control": "other"}, "control 'other' is none of the arms usual, thompson"),
        ({"arms": [{"name": "usual"}, {"name": "usual"}]}, "the same name"),
        ({"arms": [{"name": "usual"}]}, "arms"),
        ({"arms": [{"name": "usual"}, {"name": "b", "weight": 0}]}, "weight"),
        ({"name": "a b"}, "name"),
        ({"metric": "feedback."}, "metric"),
        ({"traffic": 0}, "traffic"),
        ({"alpha": 0.6}, "alpha"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_what_is_no_experiment_is_refused_with_the_reason(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        decode_experiment(changed(**fields))


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[]"])
def test_what_is_no_json_is_refused(value: bytes) -> None:
    with pytest.raises(ExperimentError, match="no experiment"):
        decode_experiment(value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"traffic": 2.0}, "experiment explore: traffic must be float <= 1.0"),
        ({"min_users": 1}, "experiment explore: min_users must be int >= 2"),
        ({"metric": "clicks"}, "experiment explore: metric must be reward, no_feedback or feedback.TYPE"),
        ({"name": "a b"}, "experiment a b: name must be of letters, digits, '.', '_' and '-', the first a letter or"),
        (
            {"arms": (Arm(name="a"), Arm(name="b", weight=0.0))},
            "experiment explore: weight of arm 2 must be float > 0.0",
        ),
        ({"arms": ()}, "experiment explore: arms must be array of length >= 2"),
        (
            {"guardrails": (Guardrail(metric="x", harm="decrease"),)},
            "experiment explore: metric of guardrail 1 must",
        ),
    ],
)
def test_the_field_that_is_wrong_is_named_as_its_option(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError) as error:
        checked(msgspec.structs.replace(EXPERIMENT, **fields))
    assert str(error.value).startswith(message)
