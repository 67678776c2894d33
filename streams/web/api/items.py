"""Routes of items: who is drawn to one, over time."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.schema.events import MAX_ID_LENGTH
from streams.web.api.trending import Steps, Window
from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.http.problems import Problem
from streams.web.services import Services
from streams.web.view.catalog import UNKNOWN


class ShareHistory(BaseModel):
    """The item's share by point in time; null where it was not among the largest."""

    times: list[int]
    share: list[float | None]


class Item(BaseModel):
    """An item, and its share in what all users want."""

    item_id: str
    title: str | None
    categories: list[str]
    share: float
    users: int
    """Whose newest prediction names it"""
    history: ShareHistory


def item_routes(services: Services) -> APIRouter:
    """`/v1/items/{item_id}`."""
    view = services.view
    router = APIRouter(tags=["items"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/items/{item_id:path}", response_model=Item, responses=NOT_MODIFIED)
    def item(
        request: Request,
        item_id: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH, description="The item's id.")],
        window_s: Window = 3600,
        steps: Steps = 60,
    ) -> Response:
        """Who is drawn to the item: its share now and over time."""
        described = view.catalog.describe([item_id])[item_id]
        share, users = view.audience.item(item_id)
        if described is UNKNOWN and not users:
            raise Problem(404, f"neither the catalog nor any prediction names the item {item_id!r}")
        series = view.snapshots.series(int(time.time() * 1000), window_s * 1000, steps)
        shares: list[float | None] = []
        for _, snapshot in series:
            places = snapshot.items
            shares.append(snapshot.item_share[places.index(item_id)] if item_id in places else None)
        return answer(
            request,
            Item(
                item_id=item_id,
                title=described.title or None,
                categories=list(described.categories),
                share=share,
                users=users,
                history=ShareHistory(times=[time_ms for time_ms, _ in series], share=shares),
            ),
        )

    return router
