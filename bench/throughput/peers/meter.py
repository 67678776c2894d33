"""Meter: what a peer's events cost its process, told to the parent line by line on standard output."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import msgspec

from bench.errors import PeerError
from bench.throughput.peers.job import Job

_TELL_INTERVAL_S = 0.2


class Progress(msgspec.Struct, tag="progress"):
    """Events applied so far."""

    applied: int


class Measurement(msgspec.Struct, tag="measurement"):
    """The cost of the events after the warm-up, all threads of the process, user and system time."""

    applied: int
    """Events of the warm-up included."""
    events: int
    cpu_s: float
    wall_s: float
    stage_s: dict[str, float]
    """Wall time by stage, where the program knows it."""


class Meter:
    """Counts a job's events and marks the CPU time after the warm-up and at the end."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._applied = 0
        self._told_s = 0.0
        self._mark: tuple[int, float, float] | None = None
        self._stage_s: dict[str, float] = {}

    def apply(self, events: int, stage_s: Mapping[str, float] | None = None) -> bool:
        """Counts events that are applied now, with the time of each stage; True once the job is done.

        The measurement begins with the first call that ends the warm-up and leaves out that call's events.
        """
        self._applied += events
        cpu_s, now_s = time.process_time(), time.monotonic()
        if events and now_s - self._told_s > _TELL_INTERVAL_S:
            self._told_s = now_s
            tell(Progress(self._applied))
        if self._mark is None:
            if self._applied < self._job.warmup_events:
                return False
            self._mark = self._applied, cpu_s, now_s
        else:
            for stage, seconds in (stage_s or {}).items():
                self._stage_s[stage] = self._stage_s.get(stage, 0.0) + seconds
        if self._applied < self._job.events:
            return False
        applied, cpu_began_s, began_s = self._mark
        if self._applied == applied:
            raise PeerError("nothing is left to measure after the warm-up: take more events (--events)")
        events = self._applied - applied
        tell(Measurement(self._applied, events, cpu_s - cpu_began_s, now_s - began_s, self._stage_s))
        return True


def tell(message: Progress | Measurement) -> None:
    """Writes the message where the parent reads it, past whatever the program has made of sys.stdout."""
    os.write(1, msgspec.json.encode(message) + b"\n")


def leave() -> None:
    """Ends the process at once: what was measured is told, and nothing that follows belongs to it."""
    os._exit(0)
