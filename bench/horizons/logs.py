"""Event logs with the days on which all users are asked about, fixed before anything is scored."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.errors import DatasetError
from bench.quality.datasets import Dataset, dataset_of, load_events
from models.data.event_log import EventLog
from models.data.event_types import type_index
from streams.files.formats.compression import open_data

DAY_MS: Final = 86_400_000
_CDNOW: Final = "cdnow/events.csv.gz"


@dataclass(frozen=True, slots=True)
class Days:
    """First question, last question and interval, in days since the log's first event."""

    first: float
    last: float
    interval: float

    def times(self, begin_ms: int) -> NDArray[np.int64]:
        """[q] times of the questions."""
        days = np.arange(self.first, self.last + 1e-9, self.interval)
        return begin_ms + np.round(days * DAY_MS).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When users of a log are asked, and how far ahead."""

    horizon_days: int
    training: Days
    test: Days


SCHEDULES: Final = {
    "cdnow": Schedule(30, Days(100, 280, 10), Days(365, 515, 15)),
    "ml-100k": Schedule(30, Days(30, 90, 5), Days(125, 180, 5)),
    "wikipedia": Schedule(7, Days(3, 11, 1), Days(19, 23, 1)),
    "amazon-music": Schedule(30, Days(2400, 3100, 20), Days(3140, 3560, 15)),
}
"""By name of the log: labels of the last training question are due before the first test question"""


CHOICES: Final = {
    "cdnow": Schedule(30, Days(40, 170, 10), Days(200, 280, 10)),
    "ml-100k": Schedule(30, Days(10, 35, 5), Days(65, 90, 5)),
    "wikipedia": Schedule(7, Days(1, 2, 0.5), Days(9, 11, 0.5)),
    "amazon-music": Schedule(30, Days(2000, 2700, 20), Days(2740, 3100, 20)),
}
"""Likewise within the training days: by these the model's settings are chosen. Nothing later is read"""


@dataclass(frozen=True, slots=True)
class HorizonLog:
    """A log in order of time, and the questions about it."""

    name: str
    dataset: Dataset
    schedule: Schedule

    @property
    def events(self) -> EventLog:
        """All events."""
        return self.dataset.events

    @property
    def training_ms(self) -> NDArray[np.int64]:
        """[q] times of the questions that may be learnt from and tuned on."""
        return self.schedule.training.times(int(self.events.time_ms[0]))

    @property
    def test_ms(self) -> NDArray[np.int64]:
        """[q] times of the questions that are scored."""
        return self.schedule.test.times(int(self.events.time_ms[0]))


def load_log(name: str, folder: Path, choose: bool = False) -> HorizonLog:
    """The log of this name; to `choose`, its part from before the days that are scored.

    Raises DatasetError where it is unknown or missing.
    """
    if name not in SCHEDULES:
        raise DatasetError(f"{name!r} has no questions; those that have are {', '.join(SCHEDULES)}")
    dataset = _cdnow(folder) if name == "cdnow" else dataset_of(load_events(name, folder))
    if (np.diff(dataset.events.time_ms) < 0).any():
        raise DatasetError(f"{name} is not in order of time")
    if not choose:
        return HorizonLog(name, dataset, SCHEDULES[name])
    log = HorizonLog(name, dataset, CHOICES[name])
    end_ms = int(log.test_ms[-1]) + log.schedule.horizon_days * DAY_MS
    known = int(np.searchsorted(log.events.time_ms, end_ms, side="right"))
    return replace(log, dataset=replace(dataset, events=dataset.events[:known]))


def _cdnow(folder: Path) -> Dataset:
    """Purchases without items; those of one customer on one day are one."""
    path = folder / _CDNOW
    if not path.is_file():
        raise DatasetError(f"{path} is missing: it is read from a folder that is not part of this project; name yours")
    with open_data(path) as file:
        lines = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    values: dict[tuple[int, str], float] = {}
    for line in lines:
        key = int(line["timestamp"]), line["user"]
        values[key] = values.get(key, 0.0) + float(line["value"])
    users: dict[str, int] = {}
    keys = sorted(values)
    user = np.array([users.setdefault(name, len(users)) for _, name in keys], np.int64)
    time_ms = np.array([second for second, _ in keys], np.int64) * 1000
    zeros = np.zeros(len(keys), np.int64)
    events = EventLog(
        user,
        zeros,
        time_ms,
        zeros + type_index("purchase"),
        np.array([values[key] for key in keys]),
        np.full(len(keys), "", np.object_),
    )
    return Dataset("cdnow", events, len(users), [""], [""], [()], True, np.ones(len(users), np.bool_))
