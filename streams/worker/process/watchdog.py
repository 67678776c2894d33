"""Watchdog: ends a process whose step computes, or works on its disk, without an end.

The heartbeats of such a process go on, so that the group would leave it its partitions for ever.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.errors import StepTimeoutError

_POLLS = 20  # of the timeout: how often the monitor looks


class Watchdog:
    """A monitor thread; waiting for a broker is not for it to measure, however long it takes."""

    def __init__(self, timeout_s: float, on_timeout: Callable[[BaseException], object]) -> None:
        """`on_timeout` gets the error, in the monitor's thread, and ends the process."""
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout
        self._running: tuple[str, float] | None = None  # stage and monotonic time of its begin
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._monitor, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start the monitor."""
        self._thread.start()

    def stop(self) -> None:
        """End the monitor."""
        self._stopping.set()

    @contextmanager
    def watch(self, stage: str) -> Iterator[None]:
        """The block must end within the timeout. Blocks follow each other, whatever thread they run in."""
        self._running = stage, time.monotonic()
        try:
            yield
        finally:
            self._running = None

    def _monitor(self) -> None:
        while not self._stopping.wait(self._timeout_s / _POLLS):
            running = self._running
            if running is not None and time.monotonic() - running[1] > self._timeout_s:
                _write_stacks()
                self._on_timeout(
                    StepTimeoutError(
                        f"a step has not returned from {running[0]!r} within {self._timeout_s:g} s "
                        "(worker.step_timeout_s): this process ends, and others take its partitions; nothing of the "
                        "step is visible. Start it again; if that repeats, look for a full machine or a disk that does "
                        "not answer, and report the stacks above if there is neither"
                    )
                )
                return


def _write_stacks() -> None:
    """The stacks of all threads go to standard error: the one that does not return is among them."""
    try:
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
    except (ValueError, OSError, AttributeError):  # no file behind it, or none at all
        return
