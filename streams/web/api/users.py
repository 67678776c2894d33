"""Routes of users: who there is, and what one wants now."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.schema.events import MAX_ID_LENGTH
from streams.web.http.answers import NOT_MODIFIED, Cursor, Limit, answer, from_cursor, to_cursor
from streams.web.http.problems import Problem
from streams.web.services import Services
from streams.web.view.catalog import Catalog
from streams.web.view.rows import UserRow

UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="The user's id.")]


class UserSummary(BaseModel):
    """A user whose interests are known."""

    user_id: str
    event_time: int
    state_version: int
    top_category: str | None


class UserPage(BaseModel):
    """Users in order of their ids."""

    users: list[UserSummary]
    next: str | None


class ItemProbability(BaseModel):
    """An item that the user may want next."""

    item_id: str
    title: str | None
    categories: list[str]
    p: float


class CategoryProbability(BaseModel):
    """A category of the user's next item."""

    category: str
    p: float


class Reason(BaseModel):
    """One of the user's items that has carried the most probable one, and its share in it."""

    item_id: str
    title: str | None
    weight: float


class CarriedBy(BaseModel):
    """Shares of the parts of the model in the most probable item."""

    attention: float
    copying: float
    following: float
    popularity: float


class HorizonInterest(BaseModel):
    """Interest over the next days, if there is any event in them."""

    days: int
    categories: list[CategoryProbability]
    items: list[ItemProbability]
    type_p: dict[str, float]
    """Probability of at least one event of each type; empty where not known"""
    spent: float | None
    """Expected sum of the values of purchases"""


class Interests(BaseModel):
    """What a user wants now."""

    user_id: str
    prediction_id: str
    caused_by: str
    event_time: int
    emitted_at: int
    age_s: float
    model_version: str
    state_version: int
    items: list[ItemProbability]
    other_p: float
    categories: list[CategoryProbability]
    because: list[Reason]
    because_other: float
    carried_by: CarriedBy
    horizons: list[HorizonInterest]
    """Over a day, a week and a month; empty where model.horizons is off"""
    return_p: dict[str, float]
    """Probability of any event within so many days; likewise"""


def interests_of(user_id: str, row: UserRow, catalog: Catalog, limit: int) -> Interests:
    """A user's row with titles."""
    over_horizons = [item for horizon in row.horizons for item in horizon.items[:limit]]
    described = catalog.describe([*row.items[:limit], *row.because, *over_horizons])

    def probable(names: list[str], p: list[float]) -> list[ItemProbability]:
        return [
            ItemProbability(
                item_id=item, title=described[item].title or None, categories=list(described[item].categories), p=share
            )
            for item, share in zip(names[:limit], p, strict=False)
        ]

    return Interests(
        user_id=user_id,
        prediction_id=row.prediction_id,
        caused_by=row.caused_by,
        event_time=row.event_time,
        emitted_at=row.emitted_at,
        age_s=max(0.0, round(time.time() - row.emitted_at / 1000, 3)),
        model_version=row.model_version,
        state_version=row.state_version,
        items=probable(row.items, row.item_p),
        other_p=max(0.0, min(1.0, row.other_p + sum(row.item_p[limit:]))),
        categories=[
            CategoryProbability(category=category, p=p)
            for category, p in zip(row.categories, row.category_p, strict=True)
        ],
        because=[
            Reason(item_id=item, title=described[item].title or None, weight=weight)
            for item, weight in zip(row.because, row.because_weight, strict=True)
        ],
        because_other=row.because_other,
        carried_by=CarriedBy(
            attention=row.carried_by[0],
            copying=row.carried_by[1],
            following=row.carried_by[2],
            popularity=row.carried_by[3],
        ),
        horizons=[
            HorizonInterest(
                days=horizon.days,
                categories=[
                    CategoryProbability(category=category, p=p)
                    for category, p in zip(horizon.categories, horizon.category_p, strict=True)
                ],
                items=probable(horizon.items, horizon.item_p),
                type_p=horizon.type_p,
                spent=horizon.spent,
            )
            for horizon in row.horizons
        ],
        return_p=row.return_p,
    )


def user_routes(services: Services) -> APIRouter:
    """`/v1/users` and `/v1/users/{user_id}/interests`."""
    view = services.view
    router = APIRouter(tags=["users"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/users", response_model=UserPage, responses=NOT_MODIFIED)
    def users(
        request: Request,
        prefix: Annotated[str, Query(max_length=MAX_ID_LENGTH, description="Beginning of the ids.")] = "",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Users whose interests are known, in order of their ids."""
        shown: list[UserSummary] = []
        for user_id, row in view.users.listed(prefix, from_cursor(cursor) or ""):
            if len(shown) == limit:
                return answer(request, UserPage(users=shown, next=to_cursor(shown[-1].user_id)))
            shown.append(
                UserSummary(
                    user_id=user_id,
                    event_time=row.event_time,
                    state_version=row.state_version,
                    top_category=row.categories[0] if row.categories else None,
                )
            )
        return answer(request, UserPage(users=shown, next=None))

    @router.get("/v1/users/{user_id:path}/interests", response_model=Interests, responses=NOT_MODIFIED)
    async def interests(request: Request, user_id: UserId, limit: Limit = 10) -> Response:
        """What the user wants now, and why."""
        row = view.users.get(user_id)
        if row is None:
            raise unknown_user(user_id)
        shown = interests_of(user_id, row, view.catalog, limit)
        titles = "\0".join([*(item.title or "" for item in shown.items), *(item.title or "" for item in shown.because)])
        return answer(request, shown, f"{row.position} {row.prediction_id} {limit} {titles}")

    return router


def unknown_user(user_id: str) -> Problem:
    """Nothing is known of the user."""
    return Problem(404, f"no prediction is known for the user {user_id!r}: none of their events has been used yet")
