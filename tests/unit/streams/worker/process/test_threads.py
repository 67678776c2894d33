"""Blocking functions in threads."""

import asyncio
import threading

import pytest

from streams.worker.process.threads import in_thread


async def test_the_result_and_the_error_come_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_waits_for_the_function(fails: bool) -> None:
    started, go, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go.wait(30)
        done.set()
        if fails:
            raise OSError("of no interest")

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(started.wait, 30)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
