from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.quality.datasets import load
from bench.quality.event_time import PERIODS, with_event_time
from models.data.event_types import EVENT_TYPES

TIMES = {
    "2024-03-01T05:59": ("other", "other", "click"),  # a Friday of spring
    "2024-03-02T13:00": ("search", "rating", "click"),
    "2024-12-31T23:59": ("rating", "click", "other"),
    "2024-08-04T00:00": ("other", "search", "search"),
    "2024-09-30T12:00": ("search", "click", "rating"),
}


@pytest.mark.parametrize("number", range(3))
def test_a_type_tells_the_quarter_of_the_period(number: int, tmp_path: Path) -> None:
    seconds = [int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) for time in TIMES]
    log = tmp_path / "log.csv"
    lines = ["user,item,timestamp", *(f"u{number},i{number},{time_s}" for number, time_s in enumerate(sorted(seconds)))]
    log.write_text("\n".join(lines) + "\n")
    timed = with_event_time(load(str(log)), list(PERIODS)[number])
    in_order = [kinds[number] for _, kinds in sorted(zip(seconds, TIMES.values(), strict=True))]
    assert [EVENT_TYPES[kind] for kind in timed.events.type.tolist()] == in_order


def test_there_are_some_periods(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item,timestamp\nu,i,1700000000\n")
    with pytest.raises(BenchError, match="no period is called 'tide'; there are day, week, season"):
        with_event_time(load(str(log)), "tide")
