"""Run a measured program as a child process and read its progress and measurement."""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from typing import IO

import msgspec

from bench.errors import PeerError
from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Measurement, Progress
from models.progress import ProgressCallback
from streams.worker.process.launcher import python_environment, python_module

_TAIL_LINES = 15
_STOP_TIMEOUT_S = 5.0


def run_peer(module: str, job: Job, on_progress: ProgressCallback, stall_s: float = 60.0) -> Measurement:
    """Run the job to its end and return its cost; progress is in applied events.

    Raises PeerError, with the end of the program's standard error, if it ends early or makes no progress for `stall_s`.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            python_module(module, job.to_argument()),
            env=python_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            return _read_messages(process, lines, job.events, on_progress, stall_s)
        except PeerError as error:
            errors.seek(0)
            tail = "".join(errors.readlines()[-_TAIL_LINES:]).strip()
            raise PeerError(f"{module} {error}; it wrote: {tail or 'nothing'}") from None
        finally:
            _end(process)
            reader.join()


def _read_messages(
    process: subprocess.Popen[bytes],
    lines: queue.SimpleQueue[bytes],
    events: int,
    on_progress: ProgressCallback,
    stall_s: float,
) -> Measurement:
    decode = msgspec.json.Decoder(Progress | Measurement).decode
    while True:
        try:
            line = lines.get(timeout=stall_s)
        except queue.Empty:
            raise PeerError(f"applied nothing for {stall_s:.0f} s") from None
        if not line:
            raise PeerError(f"ended with exit code {process.wait()} before it had applied its events")
        try:
            message = decode(line)
        except msgspec.DecodeError:
            continue  # output of a library
        if isinstance(message, Measurement):
            return message
        on_progress(message.applied, events)


def _forward(source: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with source:
        for line in source:
            lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
