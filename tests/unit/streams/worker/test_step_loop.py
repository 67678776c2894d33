import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from streams.worker.step_loop import gathered
from tests.unit.streams.records import batch, click


async def fetches(*sizes: int, pause_s: float = 0.0) -> AsyncIterator[Any]:
    offset = 0
    for size in sizes:
        if pause_s:
            await asyncio.sleep(pause_s)
        yield SimpleNamespace(value=batch(*(click(offset + i, "u") for i in range(size))))
        offset += size


async def steps(events: AsyncIterator[Any], interval_s: float, most: int) -> list[list[int]]:
    return [[len(b.records) for b in batches] async for batches in gathered(events, interval_s, most)]


async def test_what_waits_is_gathered_into_one_step() -> None:
    assert await steps(fetches(2, 1, 3), interval_s=1.0, most=100) == [[2, 1, 3]]


async def test_a_full_step_does_not_wait_for_the_interval() -> None:
    began = time.monotonic()
    assert await steps(fetches(4, 4, 4, 1), interval_s=0.2, most=8) == [[4, 4], [4, 1]]
    assert time.monotonic() - began < 0.2


async def test_the_first_fetch_after_a_pause_is_stepped_at_once() -> None:
    events = fetches(1, 1, pause_s=0.05)
    assert await steps(events, interval_s=0.01, most=100) == [[1], [1]]


async def test_steps_keep_their_interval() -> None:
    steps = gathered(fetches(*[1] * 12, pause_s=0.01), 0.04, 100)
    times = [time.monotonic() async for _ in steps]
    # The last fetch ends the stream and with it the wait.
    assert all(later - earlier > 0.035 for earlier, later in pairwise(times[:-1]))


async def test_nothing_is_left_running_when_the_reader_leaves() -> None:
    reading = asyncio.create_task(steps(fetches(1, 1, pause_s=10.0), interval_s=0.01, most=10))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 1
