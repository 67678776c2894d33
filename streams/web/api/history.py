"""Routes of a user's past: the predictions before the newest, and the newest events."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.api.users import CategoryProbability, UserId, unknown_user
from streams.web.http.answers import NOT_MODIFIED, Cursor, Limit, answer, from_number_cursor, to_cursor
from streams.web.services import Services


class TopItem(BaseModel):
    """The most probable item of a prediction."""

    item_id: str
    title: str | None
    p: float


class Point(BaseModel):
    """An earlier prediction, in short."""

    prediction_id: str
    event_time: int
    emitted_at: int
    model_version: str
    state_version: int
    categories: list[CategoryProbability]
    item: TopItem | None
    moved: float
    """Total variation distance of the categories to the point before: 0 to 1"""


class History(BaseModel):
    """A user's newest predictions, newest first; web.history_points of them are kept."""

    user_id: str
    points: list[Point]
    next: str | None


class RecentEvent(BaseModel):
    """Something that the user did."""

    event_id: str
    event_type: str
    item_id: str | None
    title: str | None
    time: int


class RecentEventList(BaseModel):
    """A user's newest events, newest first: of those that came while this server ran, at most 32."""

    user_id: str
    events: list[RecentEvent]


def history_routes(services: Services) -> APIRouter:
    """`/v1/users/{user_id}/history` and `/v1/users/{user_id}/events`."""
    view = services.view
    router = APIRouter(tags=["users"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/users/{user_id:path}/history", response_model=History, responses=NOT_MODIFIED)
    def history(request: Request, user_id: UserId, limit: Limit = 64, cursor: Cursor = None) -> Response:
        """The user's predictions, newest first."""
        before = from_number_cursor(cursor)
        points = view.users.history(user_id)
        if not points:
            raise unknown_user(user_id)
        left = [point for point in points if before is None or point.number < before]
        described = view.catalog.describe(point.item for point in left[:limit] if point.item is not None)
        shown = [
            Point(
                prediction_id=point.prediction_id,
                event_time=point.event_time,
                emitted_at=point.emitted_at,
                model_version=point.model_version,
                state_version=point.state_version,
                categories=[
                    CategoryProbability(category=category, p=p)
                    for category, p in zip(point.categories, point.category_p, strict=True)
                ],
                item=None
                if point.item is None
                else TopItem(item_id=point.item, title=described[point.item].title or None, p=point.item_p),
                moved=point.moved,
            )
            for point in left[:limit]
        ]
        more = to_cursor(str(left[limit - 1].number)) if len(left) > limit else None
        return answer(request, History(user_id=user_id, points=shown, next=more))

    @router.get("/v1/users/{user_id:path}/events", response_model=RecentEventList, responses=NOT_MODIFIED)
    def events(request: Request, user_id: UserId, limit: Limit = 32) -> Response:
        """What the user did last, as far as it came while this server ran."""
        rows = view.events.of(user_id)[:limit]
        if not rows and view.users.get(user_id) is None:
            raise unknown_user(user_id)
        described = view.catalog.describe(row.item_id for row in rows if row.item_id is not None)
        shown = [
            RecentEvent(
                event_id=row.event_id,
                event_type=row.event_type,
                item_id=row.item_id,
                title=None if row.item_id is None else described[row.item_id].title or None,
                time=row.time_ms,
            )
            for row in rows
        ]
        return answer(request, RecentEventList(user_id=user_id, events=shown))

    return router
