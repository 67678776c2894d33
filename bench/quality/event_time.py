"""Time of day, week or year as an input of the network: what it would be worth, without a setting for it.

Every event gets one of four types by when it happened, in UTC: the logs know no time zones. Types are inputs, and these
four weigh alike in learning; that of the events themselves, the same for nearly all of a log, is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.quality.datasets import Dataset
from models.data.event_types import type_index

_TYPES: Final = np.array([type_index(name) for name in ("other", "click", "search", "rating")])
_DAY_S: Final = 86_400
_FIRST_WEEKDAY: Final = 4  # of the epoch, where Sunday is 0

Seconds = NDArray[np.int64]


def _part_of_day(time_s: Seconds) -> Seconds:
    return time_s % _DAY_S // (_DAY_S // 4)


def _part_of_week(time_s: Seconds) -> Seconds:
    """Whether it is the weekend, and whether it is night or day."""
    weekend = np.isin((time_s // _DAY_S + _FIRST_WEEKDAY) % 7, (0, 6))
    return 2 * weekend + time_s % _DAY_S // (_DAY_S // 2)


def _season(time_s: Seconds) -> Seconds:
    month: Seconds = time_s.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    return (month + 1) % 12 // 3


PERIODS: Final[dict[str, Callable[[Seconds], Seconds]]] = {
    "day": _part_of_day,
    "week": _part_of_week,
    "season": _season,
}


def with_event_time(dataset: Dataset, period: str) -> Dataset:
    """The dataset, each event's type telling which quarter of the period it is in. Raises BenchError."""
    if period not in PERIODS:
        raise BenchError(f"no period is called {period!r}; there are {', '.join(PERIODS)}")
    quarter = PERIODS[period](dataset.events.time_ms // 1000)
    return replace(dataset, events=replace(dataset.events, type=_TYPES[quarter]))
