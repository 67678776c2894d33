import pytest

from streams.cli.experiments import parse_arm, parse_arms, parse_guardrail
from streams.errors import ExperimentError
from streams.schema.decisions.experiment import Arm, Guardrail


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("usual", Arm(name="usual")),
        ("a:policy=softmax,weight=2.5", Arm(name="a", policy="softmax", weight=2.5)),
        ("a:recipe=horizon", Arm(name="a", recipe="horizon")),
        (
            "a:policy=x,steps=3,scale=0.5,fresh=true,by=category",
            Arm(name="a", policy="x", parameters={"steps": 3, "scale": 0.5, "fresh": True, "by": "category"}),
        ),
    ],
)
def test_arms_are_read(text: str, arm: Arm) -> None:
    assert parse_arm(text) == arm


def test_one_arm_is_no_experiment() -> None:
    assert [arm.name for arm in parse_arms(["usual", "a:policy=x"])] == ["usual", "a"]
    with pytest.raises(ExperimentError, match=r"--arm usual: an experiment compares two arms or more"):
        parse_arms(["usual"])


def test_guardrails_are_read() -> None:
    assert parse_guardrail("reward:decrease") == Guardrail(metric="reward", harm="decrease")
    expected = Guardrail(metric="feedback.purchase", harm="increase", allowed=0.02)
    assert parse_guardrail("feedback.purchase:increase:0.02") == expected


@pytest.mark.parametrize("text", ["a:policy", "a:=x", "a:weight=much", "a:recipe=unknown"])
def test_what_is_no_arm_is_named(text: str) -> None:
    with pytest.raises(ExperimentError, match=f"--arm {text}"):
        parse_arm(text)


@pytest.mark.parametrize("text", ["reward", "reward:down", "reward:increase:much"])
def test_what_is_no_guardrail_is_named(text: str) -> None:
    with pytest.raises(ExperimentError, match=f"--guardrail {text}"):
        parse_guardrail(text)
