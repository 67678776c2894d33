"""Routes of segments: users by what they will want and by risk, how many there are, and who they are."""

import csv
import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from streams.schema.churn import LEVELS, Level
from streams.web.api.trending import Steps, Window
from streams.web.http.answers import NOT_MODIFIED, Cursor, Limit, answer, from_cursor, to_cursor
from streams.web.services import Services
from streams.web.view.rows import Snapshot
from streams.web.view.segments import segment_of

_LARGEST_CATEGORIES = 10
_CHUNK_USERS = 1000
_MOST_LOOKED_AT = 20_000
_NOT_KNOWN = " "
CSV_COLUMNS = ("user_id", "category", "risk", "risk_since", "no_event_p", "last_event_time")

CategoryFilter = Annotated[
    str | None,
    Query(max_length=512, description="Only users who will want it most; a space: those of whom none is known."),
]
RiskFilter = Annotated[Level | None, Query(description="Only users of this level.")]


class Segment(BaseModel):
    """Users who will want a category most, and who have a level of risk."""

    category: str | None
    """Null where none is known"""
    risk: Level
    users: int
    share: float


class Segments(BaseModel):
    """All segments that have users, the largest first."""

    as_of: int
    users: int
    segments: list[Segment]


class SegmentSeries(BaseModel):
    """Users by point in time."""

    name: str | None
    """A category, null: none is known; or a level of risk"""
    users: list[int]


class SegmentHistory(BaseModel):
    """Sizes over time, the largest categories first; the others are left out."""

    times: list[int]
    series: list[SegmentSeries]
    users: list[int]


class SegmentUser(BaseModel):
    """A user of a segment."""

    user_id: str
    category: str | None
    risk: Level
    risk_since: int | None
    no_event_p: float | None
    """Probability of no event within 30 days, when the level was reached"""
    last_event_time: int


class SegmentUsers(BaseModel):
    """A page of users, in order of their ids."""

    users: list[SegmentUser]
    next: str | None


def segment_routes(services: Services) -> APIRouter:
    """`/v1/segments`, and below it `history`, `users` and `users.csv`."""
    view = services.view
    router = APIRouter(tags=["segments"], dependencies=[Depends(services.access.require("read"))])

    def matching(category: str | None, risk: Level | None, after: str) -> Iterator[SegmentUser | str]:
        """Users of the segment; of others the id, so that a page ends in time."""
        category = "" if category == _NOT_KNOWN else category
        for user_id, row in view.users.listed("", after):
            warning = view.segments.risk(user_id)
            segment = segment_of(row, warning)
            level = LEVELS[segment.level]
            if (category is not None and segment.category != category) or (risk is not None and level != risk):
                yield user_id
                continue
            yield SegmentUser(
                user_id=user_id,
                category=segment.category or None,
                risk=level,
                risk_since=None if warning is None else warning.since,
                no_event_p=None if warning is None else warning.no_event_p,
                last_event_time=row.event_time,
            )

    @router.get("/v1/segments", response_model=Segments, responses=NOT_MODIFIED)
    def segments(request: Request) -> Response:
        """How many users each segment has now."""
        sizes = view.segments.sizes()
        total = sum(users for _, users in sizes)
        shown = [
            Segment(
                category=segment.category or None, risk=LEVELS[segment.level], users=users, share=users / max(total, 1)
            )
            for segment, users in sizes
        ]
        # The time alone makes no other answer.
        version = "\0".join(f"{segment.category} {segment.risk} {segment.users}" for segment in shown)
        return answer(request, Segments(as_of=int(time.time() * 1000), users=total, segments=shown), version)

    @router.get("/v1/segments/history", response_model=SegmentHistory, responses=NOT_MODIFIED)
    def history(
        request: Request, by: Literal["category", "risk"] = "category", window_s: Window = 3600, steps: Steps = 60
    ) -> Response:
        """Sizes over time, by category or by risk."""
        series = view.snapshots.series(int(time.time() * 1000), window_s * 1000, steps)
        return answer(request, sizes_over_time(series, by))

    @router.get("/v1/segments/users", response_model=SegmentUsers, responses=NOT_MODIFIED)
    def users(
        request: Request,
        category: CategoryFilter = None,
        risk: RiskFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Users of a segment, in order of their ids. A page may have fewer than `limit` users and a next one."""
        shown: list[SegmentUser] = []
        for seen, match_ in enumerate(matching(category, risk, from_cursor(cursor) or ""), 1):
            last = match_ if isinstance(match_, str) else match_.user_id
            if not isinstance(match_, str):
                shown.append(match_)
            if len(shown) == limit or seen == _MOST_LOOKED_AT:
                return answer(request, SegmentUsers(users=shown, next=to_cursor(last)))
        return answer(request, SegmentUsers(users=shown, next=None))

    @router.get(
        "/v1/segments/users.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def users_csv(category: CategoryFilter = None, risk: RiskFilter = None) -> Response:
        """All users of a segment as CSV."""
        return StreamingResponse(
            _csv(matching(category, risk, "")),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="segment.csv"', "Cache-Control": "no-store"},
        )

    return router


def sizes_over_time(series: Sequence[tuple[int, Snapshot]], by: Literal["category", "risk"]) -> SegmentHistory:
    """Sizes at the times of these snapshots, oldest first."""
    by_time: list[Counter[str]] = []
    for _, shot in series:
        counts: Counter[str] = Counter()
        for size in shot.segments:
            counts[size.category if by == "category" else LEVELS[size.level]] += size.users
        by_time.append(counts)
    newest: Counter[str] = by_time[-1] if by_time else Counter()
    names = list(LEVELS) if by == "risk" else [name for name, _ in newest.most_common(_LARGEST_CATEGORIES)]
    return SegmentHistory(
        times=[time_ms for time_ms, _ in series],
        series=[SegmentSeries(name=name or None, users=[counts[name] for counts in by_time]) for name in names],
        users=[counts.total() for counts in by_time],
    )


def _csv(users: Iterator[SegmentUser | str]) -> Iterator[str]:
    """The lines, some hundred at a time."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for number, user in enumerate(users, 1):
        if not isinstance(user, str):
            writer.writerow(["" if value is None else value for value in user.model_dump().values()])
        if number % _CHUNK_USERS == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
