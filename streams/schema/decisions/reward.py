"""Records of `interest-rewards`: what a decision led to, once nothing more is waited for."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streams.schema.decisions.decision import (
    MAX_SLATE,
    ArmName,
    Context,
    DecisionId,
    ExperimentName,
    Features,
    Interest,
    PolicyName,
    PolicyVersion,
    Propensities,
    Slate,
    TextId,
)

SCHEMA_VERSION: Final = 1


class Reward(Struct, gc=False, kw_only=True):
    """A decision's reward; without feedback within the horizon it is 0."""

    decision_id: DecisionId
    user_id: TextId
    time: Annotated[int, Meta(description="When the decision was made, epoch ms.")]
    closed_at: Annotated[int, Meta(description="When its reward was final, epoch ms.")]
    closed: Annotated[
        Literal["horizon", "feedback"],
        Meta(description="Why it was: the horizon had passed, or feedback came that ends the wait."),
    ]
    policy: PolicyName
    policy_version: PolicyVersion
    experiment: ExperimentName = ""
    arm: ArmName = ""
    slate: Slate
    propensities: Propensities
    rewards: Annotated[
        tuple[float, ...],
        Meta(max_length=MAX_SLATE, description="Of each place, by the weights of the feedback settings."),
    ]
    reward: Annotated[float, Meta(description="Their sum.")]
    feedback: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(description="How many events of each type named the decision and an item of its slate."),
    ] = {}
    interest: Interest = ()
    features: Features = ()
    context: Context = ()
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


_REWARD: Final = msgspec.json.Decoder(Reward)


def decode_reward(value: bytes) -> Reward:
    """The decoded record; unknown fields are ignored. Raises msgspec.MsgspecError where it is not a reward."""
    return _REWARD.decode(value)
