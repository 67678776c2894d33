"""Records of `interest-experiments`: what is tried on whom, and whether it still is."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streams.errors import ExperimentError

SCHEMA_VERSION: Final = 1
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
METRIC: Final = r"^(reward|no_feedback|feedback\.[A-Za-z0-9._-]+)$"

Name = Annotated[str, Meta(pattern=NAME, max_length=100)]
Metric = Annotated[
    str,
    Meta(
        pattern=METRIC,
        max_length=200,
        description="Per decision: reward; no_feedback, 1 where nobody reacted; or feedback.TYPE, events of a type.",
    ),
]
Share = Annotated[float, Meta(ge=0, lt=1)]
StoppedAt = Annotated[int | None, Meta(description="When it was stopped, epoch ms; null: it runs.")]
StoppedBecause = Annotated[str, Meta(max_length=500, description="Why it was.")]
Parameter = bool | int | float | str


class Arm(Struct, gc=False, kw_only=True):
    """What a part of the users gets. What is empty is as it is without the experiment."""

    name: Name
    weight: Annotated[float, Meta(gt=0, le=1000, description="Its users are in proportion to it.")] = 1.0
    policy: Annotated[str, Meta(max_length=200, description="Policy that decides; empty: the usual one.")] = ""
    recipe: Annotated[
        str, Meta(max_length=200, description="Recipe of the model whose predictions are used; empty: the usual ones.")
    ] = ""
    parameters: Annotated[dict[str, Parameter], Meta(description="Parameters of the policy; others are as usual.")] = {}
    stopped_at: StoppedAt = None
    stopped_because: StoppedBecause = ""


class Guardrail(Struct, gc=False, kw_only=True):
    """A bound beyond which an arm is stopped by itself."""

    metric: Metric
    harm: Annotated[Literal["decrease", "increase"], Meta(description="Which change does harm.")]
    allowed: Annotated[
        float, Meta(ge=0, description="Difference from the control, per decision, that is put up with.")
    ] = 0.0


class Experiment(Struct, gc=False, kw_only=True):
    """An experiment: who takes part follows from this record alone."""

    name: Name
    created_at: Annotated[int, Meta(description="When it began, epoch ms.")]
    arms: Annotated[tuple[Arm, ...], Meta(min_length=2, max_length=20)]
    control: Annotated[Name, Meta(description="The arm that the others are compared with.")]
    salt: Annotated[str, Meta(max_length=200, description="Of the hash that assigns users to arms.")]
    metric: Metric = "reward"
    traffic: Annotated[
        float, Meta(gt=0, le=1, description="Share of the users who are not held out that takes part.")
    ] = 1.0
    holdout: Annotated[Share, Meta(description="Share of users that no experiment touches; the same in all.")] = 0.0
    alpha: Annotated[
        float, Meta(gt=0, le=0.5, description="What all conclusions together may err, at whatever time one looks.")
    ] = 0.05
    expected_users: Annotated[
        int, Meta(ge=2, description="With so many users intervals are tightest; they hold with any number.")
    ] = 10_000
    min_users: Annotated[int, Meta(ge=2, description="Nothing is concluded of an arm with fewer users.")] = 100
    guardrails: Annotated[tuple[Guardrail, ...], Meta(max_length=20)] = ()
    stopped_at: StoppedAt = None
    stopped_because: StoppedBecause = ""
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION

    @property
    def control_index(self) -> int:
        """Of the control among the arms."""
        return [arm.name for arm in self.arms].index(self.control)


_EXPERIMENT: Final = msgspec.json.Decoder(Experiment)
encode_experiment: Final = msgspec.json.Encoder().encode
"""The record's value"""


def decode_experiment(value: bytes) -> Experiment:
    """The decoded record; unknown fields are ignored. Raises ExperimentError where it is no experiment."""
    try:
        experiment = _EXPERIMENT.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ExperimentError(f"no experiment: {error}") from error
    names = [arm.name for arm in experiment.arms]
    if len(set(names)) < len(names):
        raise ExperimentError(f"experiment {experiment.name}: two arms have the same name; give each its own")
    if experiment.control not in names:
        raise ExperimentError(
            f"experiment {experiment.name}: the control {experiment.control!r} is none of the arms {', '.join(names)}"
        )
    return experiment


def checked(experiment: Experiment) -> Experiment:
    """The same experiment, every field as the schema says. Raises ExperimentError, which names the field."""
    try:
        msgspec.convert(msgspec.to_builtins(experiment), Experiment)
    except msgspec.ValidationError as error:
        raise ExperimentError(f"experiment {experiment.name}: {_fault(str(error))}") from error
    return decode_experiment(encode_experiment(experiment))


def _fault(message: str) -> str:
    """What msgspec says of a field, as somebody reads it who wrote options: "traffic must be float <= 1.0"."""
    expected, _, path = message.partition(" - at `$.")
    entry, _, field = path.rstrip("`").rpartition(".")
    kind, _, index = entry.rstrip("]").partition("[")
    of = f" of {kind.removesuffix('s')} {int(index) + 1}" if index else ""
    if "regex" not in expected:
        must = expected.removeprefix("Expected ").replace("`", "")
    elif field == "metric":
        must = "reward, no_feedback or feedback.TYPE"
    else:
        must = "of letters, digits, '.', '_' and '-', the first a letter or a digit"
    return f"{field}{of} must be {must}"
