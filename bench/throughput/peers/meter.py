"""Meter of a measured program: CPU and wall time of its events, sent to the parent as JSON lines on standard output."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import msgspec
import psutil

from bench.errors import PeerError
from bench.throughput.peers.job import Job

_PROGRESS_INTERVAL_S = 0.2


class Progress(msgspec.Struct, tag="progress"):
    """Events applied so far."""

    applied: int


class Measurement(msgspec.Struct, tag="measurement"):
    """Cost of the events after the warm-up: all threads of the process, user and system time."""

    applied: int
    """Including the warm-up."""
    events: int
    cpu_s: float
    wall_s: float
    stage_s: dict[str, float]
    """Wall time by stage, if the program measures stages."""
    trainer_cpu_s: float = 0.0
    """Of its child processes in the same time: the trainer's"""


class Meter:
    """Counts a job's events, and reads the clocks after the warm-up and at the end."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._applied = 0
        self._last_progress_s = 0.0
        self._warmup_end: tuple[int, float, float, float] | None = None
        self._stage_s: dict[str, float] = {}

    def add_events(self, events: int, stage_s: Mapping[str, float] | None = None) -> bool:
        """Count events that have been applied, with the time of each stage; True once the job is done.

        The measurement starts at the call that completes the warm-up, without that call's events.
        """
        self._applied += events
        cpu_s, now_s = time.process_time(), time.monotonic()
        if events and now_s - self._last_progress_s > _PROGRESS_INTERVAL_S:
            self._last_progress_s = now_s
            send(Progress(self._applied))
        if self._warmup_end is None:
            if self._applied < self._job.warmup_events:
                return False
            self._warmup_end = self._applied, cpu_s, now_s, _children_cpu_s()
        else:
            for stage, seconds in (stage_s or {}).items():
                self._stage_s[stage] = self._stage_s.get(stage, 0.0) + seconds
        if self._applied < self._job.events:
            return False
        warmup_events, cpu_start_s, start_s, children_start_s = self._warmup_end
        if self._applied == warmup_events:
            raise PeerError("no events are left to measure after the warm-up: use more (--events)")
        events = self._applied - warmup_events
        trainer_cpu_s = _children_cpu_s() - children_start_s
        send(Measurement(self._applied, events, cpu_s - cpu_start_s, now_s - start_s, self._stage_s, trainer_cpu_s))
        return True


def _children_cpu_s() -> float:
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return float(sum(cpu.user + cpu.system for cpu in times))


def send(message: Progress | Measurement) -> None:
    """Write the message to file descriptor 1, even if the program has replaced sys.stdout."""
    os.write(1, msgspec.json.encode(message) + b"\n")


def exit_now() -> None:
    """End the process without shutdown, which is not part of the measurement."""
    os._exit(0)
