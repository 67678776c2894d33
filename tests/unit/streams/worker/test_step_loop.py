import asyncio
import time
from collections.abc import AsyncIterator

from streams.kafka.faust_transport import RecordBatch
from streams.worker.step_loop import collect_batches
from tests import simulated_time
from tests.records import batch, click


async def fetches(*sizes: int, pause_s: float = 0.0) -> AsyncIterator[RecordBatch]:
    offset = 0
    for size in sizes:
        if pause_s:
            await asyncio.sleep(pause_s)
        yield batch(*(click(offset + i, "u") for i in range(size)))
        offset += size


async def steps(batches: AsyncIterator[RecordBatch], interval_s: float, max_events: int) -> list[list[int]]:
    return [[len(b.records) for b in collected] async for collected in collect_batches(batches, interval_s, max_events)]


async def timed(batches: AsyncIterator[RecordBatch], interval_s: float, max_events: int) -> list[tuple[int, float]]:
    """How many records each micro-batch holds, and when it is complete, from the start on."""
    start = time.monotonic()
    return [
        (sum(len(b.records) for b in collected), round(time.monotonic() - start, 3))
        async for collected in collect_batches(batches, interval_s, max_events)
    ]


async def test_waiting_fetches_become_one_micro_batch() -> None:
    assert await steps(fetches(2, 1, 3), interval_s=1.0, max_events=100) == [[2, 1, 3]]


def test_a_full_micro_batch_does_not_wait_for_the_interval() -> None:
    assert simulated_time.run(timed(fetches(4, 4, 4, 1), interval_s=60.0, max_events=8)) == [(8, 0.0), (5, 0.0)]


def test_the_first_fetch_after_a_pause_is_processed_at_once() -> None:
    batches = simulated_time.run(timed(fetches(1, 1, pause_s=5.0), interval_s=1.0, max_events=100))
    assert batches == [(1, 5.0), (1, 10.0)]


def test_micro_batches_keep_their_interval() -> None:
    batches = simulated_time.run(timed(fetches(*[1] * 12, pause_s=1.0), interval_s=4.4, max_events=100))
    # The end of the stream, right behind its last fetch, ends the wait.
    assert batches == [(1, 1.0), (4, 5.4), (4, 9.8), (3, 12.0)]


async def test_no_task_is_left_when_the_reader_is_cancelled() -> None:
    reading = asyncio.create_task(steps(fetches(1, 1, pause_s=10.0), interval_s=0.01, max_events=10))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 1
