"""Worker, trainer or HTTP server as a subprocess, for demo, benchmarks and tests: start, wait until ready, signal, end.

Child processes never import from the current folder: `python -m` alone would put that folder first on the path, and a
user's `models.py` or `state/` there would replace this project's package.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from streams.errors import StreamError
from streams.monitoring.probe import ask
from streams.ports import release_ports, reserve_ports

_STOP_DEADLINE_S = 15.0
_ROOT = Path(__file__).resolve().parents[3]  # the folder that holds the packages


class WorkerEndedError(StreamError):
    """The process exited unexpectedly; the message holds the end of its log."""


def python_module(module: str, *arguments: str) -> list[str]:
    """Command that runs a module of this project as a child process; needs `python_environment()`."""
    return [sys.executable, "-P", "-m", module, *arguments]  # -P: the current folder is not on the path


def python_environment() -> dict[str, str]:
    """Environment of this process in which the project's packages are importable, installed or not."""
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def end_with_stdin() -> None:
    """Exit this process when its standard input closes; at once, since an unfinished micro-batch is never visible."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: a thread inside it would break the interpreter's shutdown
            pass
        os._exit(1)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


class WorkerProcess:
    """`interest-stream worker` as a child process with these settings ("section.key=value"), its output in a log file.

    The worker ends when this process ends, even when that is killed. Relative paths are relative to the current folder.
    With `command` "trainer", "web" or "policy" it is that command, with these options of its own.
    """

    def __init__(
        self,
        settings: Sequence[str],
        log: Path,
        config: Path | None = None,
        recipe: str | None = None,
        command: Literal["worker", "trainer", "web", "policy"] = "worker",
        options: Sequence[str] = (),
    ):
        self.log = log
        self._command = command
        self._arguments = [
            *([f"--config={config}"] if config else []),
            *([f"--recipe={recipe}"] if recipe else []),
            *(f"--set={text}" for text in settings),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.monitoring_port = 0
        """Of its metrics and health checks, and of all that `web` serves, once it was started"""
        self._reservations: list[int] = []  # of the port, until the process listens there

    def start(self) -> None:
        """Start the process, without waiting until it is ready."""
        (self.monitoring_port,), self._reservations = reserve_ports(1, None)
        section = "web" if self._command == "web" else "monitoring"
        address = [f"--set={section}.host=127.0.0.1", f"--set={section}.port={self.monitoring_port}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                python_module("streams.cli", self._command, "--with-stdin", *self._arguments, *address),
                stdin=subprocess.PIPE,  # closes when this process ends
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops the worker in order
                env=python_environment(),
            )

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code; None while the process runs, or before it was started."""
        return None if self._process is None else self._process.poll()

    def check(self) -> None:
        """Raise `WorkerEndedError` if the process has exited."""
        if self.exit_code is not None:
            raise WorkerEndedError(f"the {self._command} ended with code {self.exit_code}.\n{self.log_tail()}")

    async def wait_ready(self, deadline_s: float = 60.0) -> None:
        """Wait until it says that partitions are open, that it trains, or answers; `StreamError` after the deadline."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while not await asyncio.to_thread(self._is_ready):
            self.check()
            if loop.time() > end:
                raise StreamError(f"the {self._command} was not ready after {deadline_s:.0f} s.\n{self.log_tail()}")
            await asyncio.sleep(0.1)
        self._release_port()

    def _is_ready(self) -> bool:
        if self._command == "web":
            return ask(self.monitoring_port, "live").ok
        answer = ask(self.monitoring_port, "ready")
        # A trainer that stands by is ready, but for that alone.
        return answer.ok and (self._command != "trainer" or answer.reason == "training")

    def _release_port(self) -> None:
        reservations, self._reservations = self._reservations, []
        release_ports(reservations)

    def send_signal(self, which: signal.Signals) -> None:
        """Send the signal; nothing happens if the process has exited."""
        if self._process is not None:
            self._process.send_signal(which)

    def stop(self) -> int | None:
        """Send SIGTERM, SIGKILL after 15 s, and return the exit code; None if it was never started."""
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
            self._release_port()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def log_tail(self, lines: int = 25) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        return "\n".join([f"The end of {self.log}:", *text[-lines:]])
