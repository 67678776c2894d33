"""Health of a worker: alive while it commits or has nothing to do, ready once its partitions are open."""

from __future__ import annotations

import time

from streams.monitoring.health import HealthStatus, StallClock
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.partitions.changelog import Changelog
from streams.worker.partitions.partition_lag import PartitionLag
from streams.worker.step_loop import StepLoop
from streams.worker.step_metrics import StepMetrics


class WorkerHealth:
    """HealthChecks of a worker."""

    def __init__(
        self,
        partitions: AssignedPartitions,
        lag: PartitionLag,
        changelog: Changelog,
        step_loop: StepLoop,
        metrics: StepMetrics,
        timeout_s: float,
    ) -> None:
        self._partitions = partitions
        self._lag = lag
        self._changelog = changelog
        self._step_loop = step_loop
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._clock = StallClock()

    def live(self) -> HealthStatus:
        """Not where events wait, or partitions are being opened, for longer than the timeout without progress.

        Progress is a committed step, a restored record or another assignment.
        """
        waiting = self._waiting_for()
        progress = self._metrics.steps, self._changelog.restored, self._partitions.assignments
        stalled_s = self._clock.stalled_s(progress, waiting is not None)
        committed_s = self._metrics.committed_s
        details = {
            "last_commit_age_s": None if committed_s is None else round(time.time() - committed_s, 3),
            "stalled_s": round(stalled_s, 3),
        }
        if stalled_s > self._timeout_s:
            return HealthStatus(
                False,
                f"{waiting}, and nothing was committed for {stalled_s:.0f} s (monitoring.live_timeout_s)",
                details,
            )
        return HealthStatus(True, waiting or "nothing to do", details)

    def ready(self) -> HealthStatus:
        """Once every assigned partition is open; a worker of a group may have none."""
        if not self._partitions.is_open:
            restoring = self._changelog.remaining
            left = f": {restoring} records of the changelog are to be restored" if restoring else ""
            return HealthStatus(False, f"partitions are not open yet{left}", {"restore_remaining": restoring})
        return HealthStatus(True, "partitions are open", {"partitions": len(self._partitions.states())})

    def _waiting_for(self) -> str | None:
        if self._partitions.is_opening:
            return "partitions are being opened"
        if self._step_loop.is_processing:
            return "a step is in work"
        if records := sum(self._lag.records().values()):
            return f"{records} records wait"
        return None
