"""Routes of all users together: what they want now, what rises and falls, and how that came about."""

import time
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.services import Services
from streams.web.view.audience import SNAPSHOT_CATEGORIES, SNAPSHOT_ITEMS
from streams.web.view.catalog import Catalog
from streams.web.view.snapshots import MAX_WINDOW_S

Window = Annotated[int, Query(ge=10, le=MAX_WINDOW_S, description="How far back, in seconds.")]
Steps = Annotated[int, Query(ge=1, le=360, description="At most so many points in time.")]
_LARGEST_CATEGORIES = 10


class Trend(BaseModel):
    """An item, or a category, and its share in what all users want."""

    item_id: str | None = None
    title: str | None = None
    categories: list[str] | None = None
    category: str | None = None
    share: float
    share_before: float | None
    """None where it was not among the largest that are kept of that time"""
    change: float


class Trending(BaseModel):
    """What all users want now, beside what they wanted before."""

    as_of: int
    window_s: float
    """How long ago `share_before` was: less than was asked for where this view has not seen as much"""
    users: int
    most_wanted: list[Trend]
    rising: list[Trend]
    falling: list[Trend]


class CategoryShares(BaseModel):
    """Shares by point in time; category null: all others together."""

    category: str | None
    share: list[float]


class TrendingHistory(BaseModel):
    """Shares of the largest categories over time."""

    times: list[int]
    series: list[CategoryShares]
    users: list[int]


class _Change:
    """A share now and before."""

    def __init__(self, id_: str, share: float, before: float | None, floor: float) -> None:
        self.id_ = id_
        self.share = share
        self.before = before
        # What was not among those that are kept was at most as large as the smallest of them.
        self.change = share - (before if before is not None else min(share, floor))


def _changes(
    ids: Sequence[str], shares: Sequence[float], ids_before: Sequence[str], shares_before: Sequence[float], most: int
) -> list[_Change]:
    """Of all that is in either, by falling share now; `most` is how many are kept of a time."""
    before = dict(zip(ids_before, shares_before, strict=True))
    floor = shares_before[-1] if len(shares_before) >= most else 0.0
    now = dict(zip(ids, shares, strict=True))
    gone = [id_ for id_ in ids_before if id_ not in now] if len(ids) < most else []
    return [_Change(id_, now.get(id_, 0.0), before.get(id_), floor) for id_ in (*ids, *gone)]


def _trends(changes: Sequence[_Change], by_items: bool, catalog: Catalog) -> list[Trend]:
    described = catalog.describe(change.id_ for change in changes) if by_items else {}
    return [
        Trend(
            item_id=change.id_,
            title=described[change.id_].title or None,
            categories=list(described[change.id_].categories),
            share=change.share,
            share_before=change.before,
            change=change.change,
        )
        if by_items
        else Trend(category=change.id_, share=change.share, share_before=change.before, change=change.change)
        for change in changes
    ]


def trending_routes(services: Services) -> APIRouter:
    """`/v1/trending` and `/v1/trending/history`."""
    view = services.view
    router = APIRouter(tags=["trending"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/trending", response_model=Trending, responses=NOT_MODIFIED)
    def trending(
        request: Request,
        by: Literal["items", "categories"] = "items",
        window_s: Window = 3600,
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> Response:
        """What the audience wants now, and what rises and falls fastest."""
        now_ms = int(time.time() * 1000)
        now, before = view.audience.snapshot(), view.snapshots.before(now_ms - window_s * 1000)
        if by == "items":
            ids, shares = now.items, now.item_share
            ids_before, shares_before = ([], []) if before is None else (before[1].items, before[1].item_share)
            most = SNAPSHOT_ITEMS
        else:
            ids, shares = now.categories, now.category_share
            ids_before, shares_before = ([], []) if before is None else (before[1].categories, before[1].category_share)
            most = SNAPSHOT_CATEGORIES
        changes = _changes(ids, shares, ids_before, shares_before, most)
        moved = [] if before is None else sorted(changes, key=lambda change: -change.change)
        rising = [change for change in moved[:limit] if change.change > 0.0]
        falling = [change for change in moved[::-1][:limit] if change.change < 0.0]
        wanted = [change for change in changes[:limit] if change.share > 0.0]
        by_items = by == "items"
        return answer(
            request,
            Trending(
                as_of=now_ms,
                window_s=0.0 if before is None else (now_ms - before[0]) / 1000,
                users=now.users,
                most_wanted=_trends(wanted, by_items, view.catalog),
                rising=_trends(rising, by_items, view.catalog),
                falling=_trends(falling, by_items, view.catalog),
            ),
        )

    @router.get("/v1/trending/history", response_model=TrendingHistory, responses=NOT_MODIFIED)
    def history(request: Request, window_s: Window = 3600, steps: Steps = 60) -> Response:
        """Shares of the ten largest categories over time, and of all others together."""
        series = view.snapshots.series(int(time.time() * 1000), window_s * 1000, steps)
        by_time = [dict(zip(shot.categories, shot.category_share, strict=True)) for _, shot in series]
        names = list(by_time[-1])[:_LARGEST_CATEGORIES] if by_time else []
        shares = [
            CategoryShares(category=name, share=[of_time.get(name, 0.0) for of_time in by_time]) for name in names
        ]
        others = [sum(share for name, share in of_time.items() if name not in names) for of_time in by_time]
        return answer(
            request,
            TrendingHistory(
                times=[time_ms for time_ms, _ in series],
                series=[*shares, CategoryShares(category=None, share=others)],
                users=[shot.users for _, shot in series],
            ),
        )

    return router
