"""Worker processes of the integration tests: real ones, that can be killed, frozen and spoilt.

They are forked from one process that has imported everything, because importing takes longer than most tests.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil

DEADLINE_S = 120.0
"""How long a test waits for what takes a second or two on an idle machine."""

Fault = Callable[[], None]
"""Run in the worker before anything else, to patch what the test breaks."""

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["tests.integration.preloaded"])


async def poll(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Returns once the condition holds; fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:.0f} s: {what}")
        await asyncio.sleep(0.02)


class ForkedProcess:
    """A process that runs `target(*args)`; its output is the file `log`."""

    def __init__(self, log: Path, fault: Fault | None, target: Callable[..., None], *args: object) -> None:
        self.log = log
        self._logged = (0, "")  # size, and text as it was then: the log is asked for fifty times a second
        self._process = _FORKSERVER.Process(target=_run, args=(log, fault, target, *args), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of the signal that killed it."""
        return self._process.exitcode

    def text(self) -> str:
        """What it has logged."""
        size = self.log.stat().st_size if self.log.is_file() else 0
        if size != self._logged[0]:
            self._logged = size, self.log.read_text(errors="replace")
        return self._logged[1]

    async def wait_for(self, line: str, times: int = 1, deadline_s: float = DEADLINE_S) -> None:
        """Its log has the text, so many times."""

        def logged() -> bool:
            if self.text().count(line) >= times:
                return True
            assert self.exit_code is None, f"ended with {self.exit_code} before it logged {line!r}\n{self.text()}"
            return False

        await poll(logged, f"{line!r} in the log\n{self.text()[-5000:]}", deadline_s)

    async def owns(self, times: int = 1) -> None:
        """It has opened its partitions, so many times."""
        await self.wait_for("own partitions", times)

    async def wait_frozen(self, deadline_s: float = DEADLINE_S) -> None:
        """It is stopped by SIGSTOP."""
        process = psutil.Process(self.pid)
        await poll(lambda: process.status() == psutil.STATUS_STOPPED, f"frozen\n{self.text()[-5000:]}", deadline_s)

    def send(self, which: signal.Signals) -> None:
        os.kill(self.pid, which)

    async def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit code, once it has ended."""
        await poll(lambda: self.exit_code is not None, f"ended\n{self.text()[-5000:]}", deadline_s)
        assert self.exit_code is not None
        return self.exit_code

    async def stop(self, which: signal.Signals = signal.SIGTERM) -> None:
        """It has ended with 0, in order."""
        await self.leave(which)
        assert "exiting at once" not in self.text(), self.text()[-5000:]

    async def leave(self, which: signal.Signals) -> None:
        """It has ended with 0: in order, or because its stop deadline was over, as may be where there is no broker."""
        self.send(which)
        code = await self.ended()
        assert code == 0, f"exit code {code}\n{self.text()[-5000:]}"

    def kill(self) -> None:
        """Gone, without a word to anybody; one that is gone stays so."""
        self._process.kill()
        self._process.join()


class Worker(ForkedProcess):
    """One worker process."""

    def __init__(
        self,
        overrides: Sequence[str],
        log: Path,
        fault: Fault | None = None,
        engine: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(log, fault, _work, list(overrides), engine)


class TrainerOfWorkers(ForkedProcess):
    """One `interest-stream trainer`."""

    def __init__(self, overrides: Sequence[str], log: Path, fault: Fault | None = None) -> None:
        super().__init__(log, fault, _train, list(overrides))


class Command(ForkedProcess):
    """`interest-stream` with these words."""

    def __init__(self, words: Sequence[str], log: Path, fault: Fault | None = None) -> None:
        super().__init__(log, fault, _command, list(words))


P = TypeVar("P", bound=ForkedProcess)


@contextmanager
def killed_at_end(processes: list[P]) -> Iterator[list[P]]:
    """The list to which a test adds its processes; none of them outlives the block."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def _run(log: Path, fault: Fault | None, target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    from streams.cli import logging_setup
    from streams.worker.process import lifecycle

    # What ends, or passes, at once on an idle machine may take long on a busy one.
    lifecycle.STOP_DEADLINE_S = logging_setup.PATIENCE_S = DEADLINE_S
    if fault is not None:
        fault()
    target(*args)


def _work(overrides: Sequence[str], engine: Callable[[], object] | None) -> None:
    from streams.cli.logging_setup import configure_logging
    from streams.settings.settings import load_settings
    from streams.worker.app import run_worker

    configure_logging()
    logging.getLogger("faust").setLevel(logging.INFO)
    run_worker(load_settings(None, overrides), None if engine is None else cast(Any, engine()))


def _train(overrides: Sequence[str]) -> None:
    from streams.cli.logging_setup import configure_logging
    from streams.settings.settings import load_settings
    from streams.trainer.app import run
    from streams.worker.process.lifecycle import exit_process

    configure_logging()
    run(load_settings(None, overrides))
    exit_process(0)


def _command(words: Sequence[str]) -> None:
    from streams.cli.main import app

    app(list(words))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
