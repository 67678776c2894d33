"""The route that decides: what a user is to be shown now."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from streams.schema.decisions.decision import (
    MAX_CANDIDATES,
    MAX_CATEGORIES,
    MAX_SLATE,
    DecisionRequest,
    encode_decision,
)
from streams.schema.events import MAX_ID_LENGTH, MAX_IMPRESSION
from streams.web.api.users import UserId
from streams.web.http.problems import Problem
from streams.web.services import Services

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Question(BaseModel):
    """What is to be decided."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(10, ge=1, le=MAX_SLATE, description="Places of the slate.")
    candidates: list[Id] | None = Field(
        None, max_length=MAX_CANDIDATES, description="Items to choose from; without: those of the user's prediction."
    )
    categories: list[Id] = Field(
        [], max_length=MAX_CATEGORIES, description="Only items of one of these; empty: of any."
    )
    exclude: list[Id] = Field([], max_length=MAX_IMPRESSION, description="Items that must not be shown.")
    experiment: str = Field("", max_length=200, description="Experiment that the decision may be part of.")
    request_id: Id | None = Field(None, description="Of the caller's choice; the decision repeats it.")
    exclude_categories: list[Id] = Field([], max_length=MAX_CATEGORIES, description="No items of any of these.")
    min_price: Number | None = Field(None, description="Only items whose `numbers.price` is known and not below.")
    max_price: Number | None = Field(None, description="Only items whose `numbers.price` is known and not above.")
    in_stock: bool = Field(False, description="Only items whose `numbers.stock` is known and above 0.")
    max_age_s: Number | None = Field(
        None, ge=0, description="Only items whose `numbers.published_at` (epoch s) is known, past and so new."
    )


class DecisionAnswer(BaseModel):
    """A record of `interest-decisions`. Events that it leads to name `decision_id`."""

    decision_id: str
    user_id: str
    time: int
    slate: list[str]
    propensities: list[float]
    policy: str
    policy_version: int
    model_version: str | None
    prediction_id: str | None
    experiment: str
    arm: str
    candidates: int
    ruled_out: dict[str, int]
    empty_because: str
    interest: list[float]
    features: list[list[float]]
    context: list[float]
    other_items: list[str]
    other_interest: list[float]
    other_features: list[list[float]]
    request_id: str | None
    schema_version: int


def decision_routes(services: Services) -> APIRouter:
    """`POST /v1/users/{user_id}/decisions`."""
    sender, decisions = services.decision_sender, services.decisions
    router = APIRouter(tags=["decisions"], dependencies=[Depends(services.access.require("write"))])

    @router.post("/v1/users/{user_id:path}/decisions", response_model=DecisionAnswer)
    async def decide(user_id: UserId, question: Question) -> Response:
        """What the user is to be shown, and how likely each place was; it is in its topic when it is answered.

        A slate is shorter, or empty, where there are not enough candidates; an empty one says why, and is not written.
        """
        if user_id[0] == "\0":
            raise Problem(422, "a user_id must not begin with U+0000")
        request = DecisionRequest(
            user_id,
            question.size,
            None if question.candidates is None else tuple(question.candidates),
            tuple(question.categories),
            tuple(question.exclude),
            question.experiment,
            question.request_id,
            tuple(question.exclude_categories),
            question.min_price,
            question.max_price,
            question.in_stock,
            question.max_age_s,
        )
        if (decision := decisions.decide(request)) is None:
            raise Problem(409, "a server with another policy.recipe decides for this user: that of the user's arm")
        value = encode_decision(decision)
        if decision.slate:
            (outcome,) = await sender.send([(user_id.encode(), value)])
            if not isinstance(outcome, tuple):
                raise Problem(503, f"Kafka has refused the decision: {outcome}", {"Retry-After": "5"})
        return Response(value, media_type="application/json")

    return router
