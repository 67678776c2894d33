"""Datasets: event logs as arrays, by the name of a known log or the path of a file that `replay` can read.

User indices start at 0, item indices at 1, both in the order of first appearance: the items that have appeared so far
are always 1 … some index. Knows nothing of scorers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DatasetError
from models.data.event_log import EventLog
from streams.files.event_columns import event_columns, without_impressions
from streams.files.event_logs import read_events
from streams.files.formats.compression import open_data
from streams.files.formats.log_error import LogError
from streams.files.item_files import FileItem, read_items
from streams.files.logged_event import LoggedEvent

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Default folder of the known logs, which are not part of this project"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An event log with its items' titles and categories."""

    name: str
    events: EventLog
    users: int
    item_ids: list[str]
    """By item index; "" at 0"""
    titles: list[str]
    categories: list[tuple[str, ...]]
    allow_repeats: bool
    """Whether any user has an item twice"""
    complete_users: NDArray[np.bool_]
    """[users] whether the log has the end of the user's events, so that the last one may be held out"""

    @property
    def items(self) -> int:
        """Number of distinct items."""
        return len(self.item_ids) - 1


@dataclass(frozen=True, slots=True)
class _LogFiles:
    """Files of a known log, relative to the folder."""

    events: tuple[str, ...]
    items: str | None = None
    complete_users: str | None = None
    read: Callable[[list[Path]], list[LoggedEvent]] = lambda paths: read_events(paths[0]).events


def _read_text(path: Path) -> str:
    with open_data(path) as file:
        return file.read().decode()


def _read_sessions(paths: list[Path]) -> list[LoggedEvent]:
    """One session of item ids per line, in order of time, without times; each session becomes a user."""
    lines = (line for path in paths for line in _read_text(path).splitlines())
    return [
        LoggedEvent(str(session), item_id, 0, "view", "")
        for session, line in enumerate(lines)
        for item_id in line.split()
    ]


LOGS = {
    "ml-100k": _LogFiles(("ml-100k/ml-100k.inter",), "ml-100k/ml-100k.item"),
    "ml-1m": _LogFiles(("ml-1m/events.csv.gz",), "ml-1m/movies.csv", "ml-1m/users_with_complete_sequence.txt"),
    "wikipedia": _LogFiles(("wikipedia/events.csv.gz",)),
    "amazon-music": _LogFiles(("amazon-music/events.csv.gz",)),
    "nowplaying": _LogFiles(
        ("nowplaying/sessions_train.txt.gz", "nowplaying/sessions_test.txt.gz"), read=_read_sessions
    ),
}
"""The known logs by name"""


@dataclass(frozen=True, slots=True)
class LoggedEvents:
    """An event log as `replay` sends it, and its items as they are in the catalog."""

    name: str
    events: list[LoggedEvent]
    items: list[FileItem]
    complete_users: frozenset[str] | None
    """Users of whose events the log has the end; None: of all"""


def load(name: str, folder: Path = FOLDER, limit: int | None = None) -> Dataset:
    """The known log of this name, or the log at this path; only its first `limit` events if given.

    Raises DatasetError if there is neither.
    """
    return dataset_of(load_events(name, folder, limit))


def load_events(name: str, folder: Path = FOLDER, limit: int | None = None) -> LoggedEvents:
    """The same as logged events. Raises DatasetError as `load` does."""
    log = LOGS.get(name)
    try:
        if log is None:
            if not Path(name).is_file():
                raise DatasetError(f"{name!r} is neither a file nor a known log; those are {', '.join(LOGS)}")
            return LoggedEvents(Path(name).name, read_events(Path(name)).events[:limit], [], None)
        paths = [folder / file for file in log.events]
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None:
            raise DatasetError(
                f"{missing} is missing: {name} is read from a folder that is not part of this project; "
                "name yours with --logs, or give the path of a file"
            )
        items = read_items(folder / log.items) if log.items else []
        complete = frozenset(_read_text(folder / log.complete_users).split()) if log.complete_users else None
        return LoggedEvents(name, log.read(paths)[:limit], items, complete)
    except LogError as error:
        raise DatasetError(str(error)) from error


def dataset_of(log: LoggedEvents) -> Dataset:
    """Its events with an item as arrays, without impressions."""
    logged = [event for event in without_impressions(log.events) if event.item_id]
    descriptions = {item.item_id: (item.title, item.categories) for item in log.items}
    complete = log.complete_users
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    events = event_columns(logged, users, items)
    # A rating of 0 means unknown: no scale of these logs includes 0.
    events.value[events.value == 0] = np.nan
    distinct_pairs = len(np.unique(events.user * len(items) + events.item))
    no_description: tuple[str, tuple[str, ...]] = ("", ())
    return Dataset(
        name=log.name,
        events=events,
        users=len(users),
        item_ids=list(items),
        titles=[descriptions.get(item_id, no_description)[0] for item_id in items],
        categories=[descriptions.get(item_id, no_description)[1] for item_id in items],
        allow_repeats=distinct_pairs < len(logged),
        complete_users=np.array([complete is None or user_id in complete for user_id in users], dtype=np.bool_),
    )
