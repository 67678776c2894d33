import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

from streams.kafka.faust_transport import RecordBatch
from streams.worker.step_loop import collect_batches
from tests.unit.streams.records import batch, click


async def fetches(*sizes: int, pause_s: float = 0.0) -> AsyncIterator[RecordBatch]:
    offset = 0
    for size in sizes:
        if pause_s:
            await asyncio.sleep(pause_s)
        yield batch(*(click(offset + i, "u") for i in range(size)))
        offset += size


async def steps(batches: AsyncIterator[RecordBatch], interval_s: float, max_events: int) -> list[list[int]]:
    return [[len(b.records) for b in collected] async for collected in collect_batches(batches, interval_s, max_events)]


async def test_waiting_fetches_become_one_micro_batch() -> None:
    assert await steps(fetches(2, 1, 3), interval_s=1.0, max_events=100) == [[2, 1, 3]]


async def test_a_full_micro_batch_does_not_wait_for_the_interval() -> None:
    began = time.monotonic()
    assert await steps(fetches(4, 4, 4, 1), interval_s=0.2, max_events=8) == [[4, 4], [4, 1]]
    assert time.monotonic() - began < 0.2


async def test_the_first_fetch_after_a_pause_is_processed_at_once() -> None:
    events = fetches(1, 1, pause_s=0.05)
    assert await steps(events, interval_s=0.01, max_events=100) == [[1], [1]]


async def test_micro_batches_keep_their_interval() -> None:
    steps = collect_batches(fetches(*[1] * 12, pause_s=0.01), 0.04, 100)
    times = [time.monotonic() async for _ in steps]
    # The last fetch ends the stream and with it the wait.
    assert all(later - earlier > 0.035 for earlier, later in pairwise(times[:-1]))


async def test_no_task_is_left_when_the_reader_is_cancelled() -> None:
    reading = asyncio.create_task(steps(fetches(1, 1, pause_s=10.0), interval_s=0.01, max_events=10))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 1
