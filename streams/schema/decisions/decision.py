"""Records of `decision-requests` and `interest-decisions`: slates for users, with the propensity of each place."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streams.errors import Rejected
from streams.schema.events import MAX_ID_LENGTH, MAX_IMPRESSION
from streams.schema.model_version import ModelVersion

SCHEMA_VERSION: Final = 1
MAX_SLATE: Final = 100
MAX_CANDIDATES: Final = 1000
MAX_CATEGORIES: Final = 100
MAX_FEATURES: Final = 100
MAX_CONTEXT: Final = 1000

TextId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Propensity = Annotated[float, Meta(gt=0, le=1)]
PolicyName = Annotated[str, Meta(max_length=200, description="Name of the policy that decided.")]
PolicyVersion = Annotated[int, Meta(ge=0, description="Its version: how often it had learnt.")]
ExperimentName = Annotated[
    str, Meta(max_length=200, description="Experiment that the decision is part of; empty: none.")
]
ArmName = Annotated[str, Meta(max_length=200, description="Its arm, to which the user is assigned.")]
DecisionId = Annotated[
    TextId,
    Meta(
        description="Unique. Position of the request's record, the same after a retry; of a request by HTTP a random "
        "one. Events that the decision led to name it."
    ),
]
Slate = Annotated[
    tuple[TextId, ...], Meta(max_length=MAX_SLATE, description="Items to show, in order of their places.")
]
Propensities = Annotated[
    tuple[Propensity, ...],
    Meta(
        max_length=MAX_SLATE,
        description="Of each place: the probability with which the policy chose this item for it, given those before.",
    ),
]
Interest = Annotated[
    tuple[float, ...],
    Meta(max_length=MAX_SLATE, description="Of each place: the probability of the prediction."),
]
Context = Annotated[tuple[float, ...], Meta(max_length=MAX_CONTEXT, description="Features of the user alone.")]
FeatureRow = Annotated[tuple[float, ...], Meta(max_length=MAX_FEATURES)]
Features = Annotated[
    tuple[FeatureRow, ...],
    Meta(max_length=MAX_SLATE, description="Of each place: the features of user and item that the policy decided by."),
]


class DecisionRequest(Struct, gc=False, omit_defaults=True):
    """What is to be decided: the user, the places, and among which items."""

    user_id: TextId
    size: Annotated[int, Meta(ge=1, le=MAX_SLATE, description="Places of the slate.")] = 10
    candidates: (
        Annotated[
            tuple[TextId, ...],
            Meta(
                max_length=MAX_CANDIDATES, description="Items to choose from; without: those of the user's prediction."
            ),
        ]
        | None
    ) = None
    categories: Annotated[
        tuple[TextId, ...], Meta(max_length=MAX_CATEGORIES, description="Only items of one of these; empty: of any.")
    ] = ()
    exclude: Annotated[
        tuple[TextId, ...], Meta(max_length=MAX_IMPRESSION, description="Items that must not be shown.")
    ] = ()
    experiment: ExperimentName = ""
    request_id: Annotated[TextId, Meta(description="Of the caller's choice; the decision repeats it.")] | None = None
    exclude_categories: Annotated[
        tuple[TextId, ...], Meta(max_length=MAX_CATEGORIES, description="No items of any of these.")
    ] = ()
    min_price: Annotated[float, Meta(description="Only items whose `numbers.price` is known and not below.")] | None = (
        None
    )
    max_price: Annotated[float, Meta(description="Only items whose `numbers.price` is known and not above.")] | None = (
        None
    )
    in_stock: Annotated[bool, Meta(description="Only items whose `numbers.stock` is known and above 0.")] = False
    max_age_s: (
        Annotated[
            float,
            Meta(ge=0, description="Only items whose `numbers.published_at` (epoch s) is known, past and so new."),
        ]
        | None
    ) = None
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


class Decision(Struct, gc=False, kw_only=True):
    """What a user is to be shown, by which policy, and how likely each place was."""

    decision_id: DecisionId
    user_id: TextId
    time: Annotated[int, Meta(description="When it was made, epoch ms.")]
    slate: Slate
    propensities: Propensities
    policy: PolicyName
    policy_version: PolicyVersion
    model_version: Annotated[
        ModelVersion | None, Meta(description="Weights behind the prediction; null where the user had none.")
    ] = None
    prediction_id: Annotated[str | None, Meta(description="The prediction that it was made from, if any.")] = None
    experiment: ExperimentName = ""
    arm: ArmName = ""
    candidates: Annotated[int, Meta(ge=0, description="Items among which the policy chose.")] = 0
    ruled_out: Annotated[
        dict[str, int], Meta(description="Items that could not be shown: by field of the request how many.")
    ] = {}
    empty_because: Annotated[
        str,
        Meta(
            description="Why the slate is empty: ruled_out, all items were; no_candidates, an empty list was offered; "
            "unknown_user, no prediction and no list. Empty where it is not."
        ),
    ] = ""
    interest: Interest = ()
    features: Features = ()
    context: Context = ()
    other_items: Annotated[
        tuple[TextId, ...],
        Meta(
            max_length=MAX_CANDIDATES,
            description="The candidates that are not shown, so that other policies can be evaluated on the decision; "
            "empty where there are more candidates than policy.log_candidates.",
        ),
    ] = ()
    other_interest: Annotated[tuple[float, ...], Meta(max_length=MAX_CANDIDATES, description="Their `interest`.")] = ()
    other_features: Annotated[
        tuple[FeatureRow, ...], Meta(max_length=MAX_CANDIDATES, description="Their `features`.")
    ] = ()
    request_id: Annotated[TextId, Meta(description="As requested.")] | None = None
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


_REQUEST: Final = msgspec.json.Decoder(DecisionRequest)
_DECISION: Final = msgspec.json.Decoder(Decision)


def decode_request(key: bytes | None, value: bytes | None) -> DecisionRequest:
    """The request of a record, whose key is the user. Raises Rejected."""
    if value is None:
        raise Rejected("null_value", "a null value is no request for a decision")
    try:
        request = _REQUEST.decode(value)
    except msgspec.ValidationError as error:
        raise Rejected("wrong_type", f"no request for a decision: {error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("not_json", f"no request for a decision: {error}") from error
    if key != request.user_id.encode():
        raise Rejected("key_mismatch", f"the key is {(key or b'')[:40]!r}, but user_id is {request.user_id[:40]!r}")
    if request.user_id[0] == "\0":
        raise Rejected("reserved_id", "a user_id must not begin with U+0000")
    return request


def decode_decision(value: bytes) -> Decision:
    """The decoded record; unknown fields are ignored. Raises msgspec.MsgspecError where it is not a decision."""
    return _DECISION.decode(value)


encode_decision: Final = msgspec.json.Encoder().encode
"""The record's value: of a Decision or a DecisionRequest"""
