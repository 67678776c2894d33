"""A Faust worker in a process of its own, identified by what it prints."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.contracts.cluster import until

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """What a program under `programs` has printed so far, and its end."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process, self.log_file = process, log
        self.printed: list[tuple[str, Any]] = []

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def values(self, name: str) -> list[Any]:
        return [value for printed_name, value in self.printed if printed_name == name]

    async def wait_for_output(self, name: str, value: object, timeout_s: float = 120) -> None:
        """Returns once the program has printed `value` under `name`; fails at once when the program has ended."""
        await until(lambda: (name, value) in self.printed or self.process.returncode is not None, timeout_s)
        assert (name, value) in self.printed, f"ended with {self.process.returncode}:\n{self.log[-3000:]}"

    async def end(self, timeout_s: float = 120) -> int:
        """Exit code, negative for the signal that ended it; TimeoutError when it lives on."""
        return await asyncio.wait_for(self.process.wait(), timeout_s)

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.startswith(b"["):
                name, value = json.loads(line)
                self.printed.append((name, value))


@asynccontextmanager
async def worker_process(program: str, *arguments: str, folder: Path) -> AsyncIterator[WorkerProcess]:
    """The program in `folder`, killed at the end if it still lives; its standard error is in `log`."""
    log = folder / f"{program}.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            f"tests.contracts.programs.{program}",
            *arguments,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
        worker = WorkerProcess(process, log)
        listening = asyncio.ensure_future(worker._listen())
        try:
            yield worker
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
            await listening
