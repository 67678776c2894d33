import time

import pytest

from streams.errors import SettingsError
from streams.kafka.pacing import CHUNK, paced_ranges, parse_rate


async def collect(total: int, rate_per_s: float | None) -> list[tuple[int, int]]:
    return [part async for part in paced_ranges(total, rate_per_s)]


@pytest.mark.parametrize(("total", "rate"), [(0, None), (1, None), (CHUNK * 2 + 1, None), (0, 100.0), (30, 1000.0)])
async def test_the_parts_follow_each_other_to_the_end(total: int, rate: float | None) -> None:
    parts = await collect(total, rate)
    assert [start for start, _ in parts] == [0, *(end for _, end in parts[:-1])][: len(parts)]
    assert all(start < end for start, end in parts)
    assert (parts[-1][1] if parts else 0) == total


async def test_at_full_speed_parts_are_as_large_as_allowed() -> None:
    assert await collect(CHUNK + 5, None) == [(0, CHUNK), (CHUNK, CHUNK + 5)]


async def test_a_rate_is_kept() -> None:
    begin = time.monotonic()
    parts = await collect(100, 250.0)
    assert 0.3 < time.monotonic() - begin < 1.0
    assert max(end - start for start, end in parts) < 60


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500.0), ("500", 500.0), ("0.5/s", 0.5), ("max", None)])
def test_a_rate_is_events_per_second(text: str, rate: float | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "5/m", "inf", "nan"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 500/s, or max"):
        parse_rate(text)
