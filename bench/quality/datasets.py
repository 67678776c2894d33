"""Datasets: event logs as arrays, by the name of a known log or by the path of any file that `replay` can read.

Knows nothing of scorers. Users are numbered from 0 and items from 1, both by first appearance in order of time, so the
items met so far are always those up to some number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import DatasetError
from models.data.event_log import EventLog
from streams.files.delimited import LogError, open_text
from streams.files.event_columns import event_columns
from streams.files.event_logs import LoggedEvent, read_events
from streams.files.item_files import read_items

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where the known logs lie, unless another folder is given; they are not part of this project"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One log."""

    name: str
    events: EventLog
    users: int
    item_ids: list[str]
    """By item number; empty at 0"""
    titles: list[str]
    categories: list[tuple[str, ...]]
    repeats: Literal["allow", "filter"]
    """'filter' where no user ever comes back to an item"""
    whole: NDArray[np.bool_]
    """[users] whether nothing is missing from the end of the user's events: their last one may be held out"""

    @property
    def items(self) -> int:
        """Distinct items."""
        return len(self.item_ids) - 1


@dataclass(frozen=True, slots=True)
class _Log:
    """Files of a known log, relative to the folder."""

    events: tuple[str, ...]
    items: str | None = None
    whole_users: str | None = None
    read: Callable[[list[Path]], list[LoggedEvent]] = lambda paths: read_events(paths[0]).events


def _read_sessions(paths: list[Path]) -> list[LoggedEvent]:
    """One session per line, sessions in order of time: each is a user of its own, and there is no clock."""
    lines = (line for path in paths for line in open_text(path))
    return [
        LoggedEvent(str(session), item_id, 0, "view", "")
        for session, line in enumerate(lines)
        for item_id in line.split()
    ]


LOGS = {
    "ml-100k": _Log(("ml-100k/ml-100k.inter",), "ml-100k/ml-100k.item"),
    "ml-1m": _Log(("ml-1m/events.csv.gz",), "ml-1m/movies.csv", "ml-1m/users_with_complete_sequence.txt"),
    "wikipedia": _Log(("wikipedia/events.csv.gz",)),
    "amazon-music": _Log(("amazon-music/events.csv.gz",)),
    "nowplaying": _Log(("nowplaying/sessions_train.txt.gz", "nowplaying/sessions_test.txt.gz"), read=_read_sessions),
}
"""The known logs by name"""


def load(name: str, folder: Path = FOLDER, limit: int | None = None) -> Dataset:
    """The log of this name from the folder, or the one at this path; only its first `limit` events where given.

    DatasetError where there is none.
    """
    log = LOGS.get(name)
    try:
        if log is None:
            if not Path(name).is_file():
                raise DatasetError(f"{name!r} is neither a file nor a known log; those are {', '.join(LOGS)}")
            return _dataset(Path(name).name, read_events(Path(name)).events[:limit], {}, None)
        paths = [folder / file for file in log.events]
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None:
            raise DatasetError(
                f"{missing} is missing: {name} is read from a folder that is not part of this project; "
                "name yours with --logs, or give the path of a file"
            )
        described = (
            {item.item_id: (item.title, item.categories) for item in read_items(folder / log.items)}
            if log.items
            else {}
        )
        whole = set(open_text(folder / log.whole_users).read().split()) if log.whole_users else None
        return _dataset(name, log.read(paths)[:limit], described, whole)
    except LogError as error:
        raise DatasetError(str(error)) from error


def _dataset(
    name: str, logged: list[LoggedEvent], described: dict[str, tuple[str, tuple[str, ...]]], whole: set[str] | None
) -> Dataset:
    logged = [event for event in logged if event.item_id]
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    events = event_columns(logged, users, items)
    # A rating of 0 says that the rating is unknown: no log here has a scale that reaches it.
    events.value[events.value == 0] = np.nan
    distinct = len(np.unique(events.user * len(items) + events.item))
    nothing: tuple[str, tuple[str, ...]] = ("", ())
    return Dataset(
        name=name,
        events=events,
        users=len(users),
        item_ids=list(items),
        titles=[described.get(item_id, nothing)[0] for item_id in items],
        categories=[described.get(item_id, nothing)[1] for item_id in items],
        repeats="filter" if distinct == len(logged) else "allow",
        whole=np.array([whole is None or user_id in whole for user_id in users], dtype=np.bool_),
    )
