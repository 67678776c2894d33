"""Metrics and health of a trainer, across its terms."""

from __future__ import annotations

import time
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.monitoring.health import HealthStatus, StallClock
from streams.releases.release_topic import WrittenRelease
from streams.settings.settings import Settings
from streams.trainer.changelog_feed import FeedLag
from streams.trainer.model import Counted, TrainStep

_BUCKETS_S: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

State = Literal["starting", "standing by", "training"]


class TrainerMetrics:
    """Updated by the trainer's loop alone; any thread may read. Also its HealthChecks."""

    def __init__(self, settings: Settings, registry: CollectorRegistry | None = None) -> None:
        """The metrics are in this registry, or in none."""
        self._timeout_s = settings.monitoring.live_timeout_s
        self._clock = StallClock()
        self._rounds = 0
        self.state: State = "starting"
        """What it does"""
        self._elected = Gauge(
            "interest_trainer_elected", "Whether this trainer is the one that trains.", registry=registry
        )
        share = Gauge("interest_learning_share_limit_ratio", "Setting trainer.learning_share.", registry=registry)
        share.set(settings.trainer.learning_share)
        self._counted = Counter("interest_trainer_counted_events", "Events that were counted.", registry=registry)
        self._missed = Counter(
            "interest_trainer_missed_events", "Events neither counted nor learnt: rows hold fewer.", registry=registry
        )
        self._learnt = Counter("interest_trainer_learnt_events", "Events that optimizer steps took.", registry=registry)
        self._left_out = Counter(
            "interest_trainer_left_out_events",
            "Influence, in events, that floods of single users or items were denied.",
            registry=registry,
        )
        self._steps = Histogram(
            "interest_train_step_duration_seconds",
            "Wall time of optimizer steps; the rate of its sum is the share of a core that learning takes.",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._releases = Counter("interest_written_releases", "Releases of the model.", registry=registry)
        self._release_bytes = Counter(
            "interest_written_release_bytes", "Keys and values of releases.", registry=registry
        )
        self._released_s = Gauge(
            "interest_last_release_timestamp_seconds", "Unix time of the last release.", registry=registry
        )
        self._saved_s = Gauge(
            "interest_last_checkpoint_timestamp_seconds", "Unix time of the last checkpoint.", registry=registry
        )
        self._lag = Gauge(
            "interest_trainer_lag_records", "Changelog records that are not counted yet.", registry=registry
        )
        self._newest_row_s = Gauge(
            "interest_trainer_newest_row_timestamp_seconds",
            "Unix time at which the newest counted row was written.",
            registry=registry,
        )

    def stand_by(self) -> None:
        """Another trainer trains, or none is elected yet."""
        self.state = "standing by"
        self._elected.set(0)

    def train(self) -> None:
        """A term begins."""
        self.state = "training"
        self._elected.set(1)

    def add_round(self, lag: FeedLag) -> None:
        """The loop of a term has come round."""
        self._rounds += 1
        self._lag.set(lag.records)
        if lag.age_s is not None:
            self._newest_row_s.set(time.time() - lag.age_s)

    def add_counted(self, counted: Counted) -> None:
        """Of some rows."""
        self._counted.inc(counted.events)
        self._missed.inc(counted.missed)

    def add_step(self, step: TrainStep, seconds: float) -> None:
        """It was taken, in so much wall time."""
        self._learnt.inc(step.events)
        self._left_out.inc(step.left_out)
        self._steps.observe(seconds)

    def add_release(self, written: WrittenRelease) -> None:
        """It was committed."""
        self._releases.inc()
        self._release_bytes.inc(written.size)
        self._released_s.set_to_current_time()

    def add_checkpoint(self) -> None:
        """It was saved, or nothing was new."""
        self._saved_s.set_to_current_time()

    def live(self) -> HealthStatus:
        """Not where its term stands still for longer than the timeout; a standby always."""
        stalled_s = self._clock.stalled_s((self._rounds, self.state), self.state == "training")
        details = {"stalled_s": round(stalled_s, 3)}
        if stalled_s > self._timeout_s:
            return HealthStatus(
                False, f"the trainer has stood still for {stalled_s:.0f} s (monitoring.live_timeout_s)", details
            )
        return HealthStatus(True, self.state, details)

    def ready(self) -> HealthStatus:
        """Once it trains, or stands by to do so."""
        return HealthStatus(self.state != "starting", self.state)
