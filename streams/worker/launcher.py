"""A worker as a process of its own, for the demo and the tests: started, watched and stopped from here."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from streams.errors import StreamError

READY = "own partitions ["  # what a worker logs when it has opened its partitions
_STOP_DEADLINE_S = 15.0
_ROOT = Path(__file__).resolve().parents[2]  # where the packages lie


class WorkerEndedError(StreamError):
    """The worker ended by itself; the message holds the end of its log."""


def end_with_stdin() -> None:
    """Standard input's closing ends this process; at once, for nothing of an unfinished step is visible."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: a thread inside it would break the interpreter's shutdown
            pass
        os._exit(1)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


class WorkerProcess:
    """`interest-stream worker` with these settings ("section.key=value"), its output in a log file.

    The worker ends with this process, however that ends.
    """

    def __init__(self, settings: Sequence[str], log: Path, config: Path | None = None, recipe: str | None = None):
        self.log = log
        self._arguments = [
            *([f"--config={config}"] if config else []),
            *([f"--recipe={recipe}"] if recipe else []),
            *(f"--set={text}" for text in settings),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The process runs; it's ready some seconds later."""
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "worker", "--with-stdin", *self._arguments],
                stdin=subprocess.PIPE,  # closes when this process ends
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is for us, who then stop the worker in order
                env={**os.environ, "PYTHONPATH": path},
            )

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, or before it was started."""
        return None if self._process is None else self._process.poll()

    def check(self) -> None:
        """Raises `WorkerEndedError` where it runs no more."""
        if self.exit_code is not None:
            raise WorkerEndedError(f"the worker ended with code {self.exit_code}.\n{self.log_tail()}")

    async def wait_ready(self, deadline_s: float = 60.0) -> None:
        """The worker owns partitions, so says its log, and takes events."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while READY not in self.log.read_text(errors="replace"):
            self.check()
            if loop.time() > end:
                raise StreamError(f"the worker was not ready after {deadline_s:.0f} s.\n{self.log_tail()}")
            await asyncio.sleep(0.1)

    def send_signal(self, which: signal.Signals) -> None:
        """The process gets the signal, if it still runs."""
        if self._process is not None:
            self._process.send_signal(which)

    def stop(self) -> int | None:
        """Its exit code after SIGTERM; killed where it takes too long. None where it was never started."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        self._process.send_signal(signal.SIGCONT)  # a frozen process would keep SIGTERM for later
        try:
            return self._process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def log_tail(self, lines: int = 25) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        return "\n".join([f"The end of {self.log}:", *text[-lines:]])
