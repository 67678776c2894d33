"""Metrics of committed steps, updated once in each; and the same counts for the line that a worker logs."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Final, get_args

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram

from models.inference.step_result import StepResult
from streams.errors import RejectionCode
from streams.worker.batch import MicroBatch

STAGES: Final = ("schemas", "decode", "items", "load", "model", "rows", "encode", "transaction", "store")
"""Of a micro-batch, in their order"""
_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class StepMetrics:
    """Written by the step alone; any thread may read."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """The metrics are in this registry, or in none."""

        def counter(name: str, help_text: str) -> prometheus_client.Counter:
            return prometheus_client.Counter(name, help_text, registry=registry)

        self._steps = counter("interest_steps", "Steps that were committed, one transaction each.")
        self._events = counter("interest_events", "Events of committed steps.")
        self._predictions = counter("interest_predictions", "Predictions of committed steps.")
        self._rebuilt = counter("interest_rebuilt_rows", "User states that were computed anew from their events.")
        self._without_event = counter("interest_records_without_event", "Records that hold no event of interest.")
        self._impressions = counter("interest_impressions", "Items that were shown: events that change no row.")
        self._replaced_times = counter("interest_replaced_times", "Events whose time was replaced by the record's.")
        rejected = prometheus_client.Counter(
            "interest_rejected_records", "Records that went to the dead letters.", ["reason"], registry=registry
        )
        # From the beginning, so that the first one is an increase already.
        self._rejected = {reason: rejected.labels(reason) for reason in get_args(RejectionCode)}
        stages = Histogram(
            "interest_step_stage_duration_seconds",
            "Wall time of the stages of a step.",
            ["stage"],
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._duration = Histogram(
            "interest_step_duration_seconds",
            "Wall time from the records of a step to its commit.",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self.steps = 0
        """That were committed"""
        self.committed_s: float | None = None
        """Unix time of the last one"""
        self.newest_event_s: float | None = None
        """Unix time of the newest event of the last one that had events"""
        self._counts: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add_stage(self, stage: str, seconds: float) -> None:
        """A stage took so long."""
        self._seconds[stage] += seconds
        self._stages[stage].observe(seconds)

    def add_duration(self, seconds: float) -> None:
        """A step took so long, from its records to its commit."""
        self._duration.observe(seconds)

    def add_step(self, batch: MicroBatch, result: StepResult) -> None:
        """A micro-batch is committed."""
        rejected = [error.code for part in batch.parts for _, error in part.rejected]
        without_event = sum(part.notes.without_event.total() for part in batch.parts)
        replaced_times = sum(part.notes.replaced_times.total() for part in batch.parts)
        events, predictions, rebuilt = len(batch.events), len(result.predictions), result.rebuilt_rows
        self._counts.update(steps=1, events=events, predictions=predictions, rejected=len(rejected))
        impressions = sum(part.impressions for part in batch.parts)
        for metric, name, count in (
            (self._impressions, "impressions", impressions),
            (self._rebuilt, "rebuilt", rebuilt),
            (self._without_event, "without event", without_event),
            (self._replaced_times, "times replaced", replaced_times),
        ):
            if count:
                self._counts[name] += count
                metric.inc(count)
        self._steps.inc()
        self._events.inc(events)
        self._predictions.inc(predictions)
        for code, count in Counter(rejected).items():
            self._rejected[code].inc(count)
        self.steps += 1
        self.committed_s = time.time()
        if events:
            self.newest_event_s = int(batch.event_batch.time_ms.max()) / 1000

    def take_counts(self) -> tuple[Counter[str], dict[str, float]]:
        """Counts since the last call, and the seconds of wall time in each stage."""
        taken = self._counts, self._seconds
        self._counts, self._seconds = Counter(), defaultdict(float)
        return taken
