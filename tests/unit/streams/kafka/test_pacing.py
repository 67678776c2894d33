import time

import pytest

from streams.errors import SettingsError
from streams.kafka.pacing import CHUNK, paced_ranges, parse_rate
from tests import simulated_time


async def collect(total: int, rate_per_s: float | None) -> list[tuple[int, int]]:
    return [part async for part in paced_ranges(total, rate_per_s)]


async def timed(total: int, rate_per_s: float) -> list[tuple[int, float]]:
    """The end of each range and the time at which it is due, from the start on."""
    start = time.monotonic()
    return [(end, time.monotonic() - start) async for _, end in paced_ranges(total, rate_per_s)]


@pytest.mark.parametrize(("total", "rate"), [(0, None), (1, None), (CHUNK * 2 + 1, None), (0, 100.0), (30, 1000.0)])
async def test_the_parts_follow_each_other_to_the_end(total: int, rate: float | None) -> None:
    parts = await collect(total, rate)
    assert [start for start, _ in parts] == [0, *(end for _, end in parts[:-1])][: len(parts)]
    assert all(start < end for start, end in parts)
    assert (parts[-1][1] if parts else 0) == total


async def test_at_full_speed_parts_are_as_large_as_allowed() -> None:
    assert await collect(CHUNK + 5, None) == [(0, CHUNK), (CHUNK, CHUNK + 5)]


def test_a_rate_is_kept() -> None:
    parts = simulated_time.run(timed(100, 250.0))
    assert [end for end, _ in parts] == list(range(5, 101, 5))
    assert [at_s for _, at_s in parts] == pytest.approx([0.02 * tick for tick in range(20)], abs=1e-3)


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500.0), ("500", 500.0), ("0.5/s", 0.5), ("max", None)])
def test_a_rate_is_events_per_second(text: str, rate: float | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "5/m", "inf", "nan"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 500/s, or max"):
        parse_rate(text)
