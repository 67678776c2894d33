"""The trainer as a child process of the worker that the group of trainers has elected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

from streams.kafka.closing import close_all
from streams.log_levels import TRANSIENT
from streams.releases.election import Election
from streams.settings.child_environment import without_settings
from streams.settings.settings import Settings
from streams.worker.process.launcher import python_environment, python_module

log = logging.getLogger(__name__)

_STOP_S: Final = 5.0  # of the time that a stop may take
_RETRY_S: Final = 1.0
_MAX_FAILURES: Final = 5
_STABLE_S: Final = 60.0


class TrainerProcess:
    """A member of the group of trainers. The child ends with this process, however that ends.

    A trainer that fails costs no prediction: workers go on with the last release.
    """

    def __init__(self, settings: Settings, on_error: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._on_error = on_error
        self._election = Election(settings)
        self._process: Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._failures = 0

    @property
    def has_failed(self) -> bool:
        """Whether the child has ended by itself."""
        return self._failures > 0

    async def start(self) -> None:
        """Stands for election. Raises KafkaError without a broker."""
        await self._election.start()
        self._running = asyncio.create_task(self._run(), name="trainer process")

    async def stop(self) -> None:
        """Stops the child in order: it releases what it has learnt, and another worker's takes over."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._end_child()
        await close_all(self._election.stop)

    async def _run(self) -> None:
        try:
            while self._failures < _MAX_FAILURES:
                try:
                    await self._election.wait()
                    if await self._election.confirm():
                        await self._train()
                except KafkaError as error:
                    log.warning("the election of a trainer failed, trying again: %r", error, extra=TRANSIENT)
                await asyncio.sleep(_RETRY_S * 2**self._failures)
            log.error(
                "the trainer ended %d times, and is not started again here: predictions go on, but nothing is learnt "
                "until another worker or `interest-stream trainer` is elected; restart this worker once the cause "
                "above is gone",
                self._failures,
            )
            await close_all(self._election.stop)
        except Exception as error:
            self._on_error(error)

    async def _train(self) -> None:
        """Runs the child to its end."""
        began_s = time.monotonic()
        file = self._settings.worker.data_dir / "trainer.toml"
        file.write_text(self._settings.to_toml(), encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            *python_module("streams.cli", "trainer", "--elected", "--with-stdin", f"--config={file}"),
            stdin=PIPE,  # closes when this process ends
            start_new_session=True,  # Ctrl-C reaches only this process, which then stops the child in order
            env=without_settings(python_environment()),  # all but secrets are in the file
        )
        code = await self._process.wait()
        self._process = None
        self._failures = 1 if time.monotonic() - began_s > _STABLE_S else self._failures + 1
        log.warning("the trainer has ended with code %d: see its last line", code)

    async def _end_child(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            log.warning("the trainer has not stopped within %.0f s and is killed: its last release counts", _STOP_S)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
