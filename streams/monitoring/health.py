"""Health of a process: whether it is alive, to be restarted where not, and whether it is ready to do its work."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from typing import NamedTuple, Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class HealthStatus(NamedTuple):
    """The answer to one check."""

    ok: bool
    reason: str
    """One line for whoever reads the answer"""
    details: Mapping[str, float | int | None] = {}
    """Figures beside it"""


class HealthChecks(Protocol):
    """What a process checks of itself. Called from the server's threads: must neither wait nor change anything."""

    def live(self) -> HealthStatus:
        """Whether the process gets on, or has nothing to do; where not, restarting it may help."""

    def ready(self) -> HealthStatus:
        """Whether it does its work, or would as soon as there is any."""


class Health(Collector):
    """The checks of a process, from its begin on; as metrics too.

    A process that is starting, waiting for a broker say, is alive and not ready.
    """

    def __init__(self) -> None:
        self._checks: HealthChecks | None = None

    def use(self, checks: HealthChecks) -> None:
        """The parts exist that these look at."""
        self._checks = checks

    def live(self) -> HealthStatus:
        """As in HealthChecks."""
        return HealthStatus(True, "starting") if self._checks is None else self._checks.live()

    def ready(self) -> HealthStatus:
        """As in HealthChecks."""
        return HealthStatus(False, "starting") if self._checks is None else self._checks.ready()

    def collect(self) -> Iterator[Metric]:
        """Both answers as gauges."""
        yield GaugeMetricFamily("interest_live", "Whether /health/live answers 200.", value=self.live().ok)
        yield GaugeMetricFamily("interest_ready", "Whether /health/ready answers 200.", value=self.ready().ok)


class StallClock:
    """For how long work has waited without progress, as far as calls have seen. For any thread.

    Time counts from the first call that sees the work: what arrives after an idle hour has not waited for an hour.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Hashable = None
        self._since_s: float | None = None  # monotonic clock; None while nothing waits

    def stalled_s(self, progress: Hashable, waiting: bool) -> float:
        """Seconds since the first call that saw work `waiting` with this `progress`; 0 where nothing waits."""
        now_s = time.monotonic()
        with self._lock:
            if not waiting:
                self._since_s = None
                return 0.0
            if self._since_s is None or progress != self._progress:
                self._progress, self._since_s = progress, now_s
            return now_s - self._since_s
