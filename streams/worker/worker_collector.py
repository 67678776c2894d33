"""Metrics of what a worker's parts hold, read when they are asked for: a step pays nothing for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from state.store import store_bytes
from streams.kafka.transaction import TransactionWriter
from streams.worker.churn.sweep import ChurnSweep
from streams.worker.items.item_topics import ItemTopics
from streams.worker.model.followed_model import FollowedModel
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.partitions.changelog import Changelog
from streams.worker.partitions.offset_gaps import OffsetGaps
from streams.worker.partitions.partition_lag import PartitionLag
from streams.worker.quality_meter import QualityMeter
from streams.worker.step_metrics import StepMetrics


class WorkerCollector(Collector):
    """Collects in the thread of whoever asks; what it reads is replaced as a whole, never changed in place."""

    def __init__(
        self,
        metrics: StepMetrics,
        partitions: AssignedPartitions,
        lag: PartitionLag,
        changelog: Changelog,
        offset_gaps: OffsetGaps,
        writer: TransactionWriter,
        items: ItemTopics,
        quality: QualityMeter,
        model: FollowedModel | None,
        source_partitions: int,
        sweep: ChurnSweep | None = None,
    ) -> None:
        self._metrics = metrics
        self._partitions = partitions
        self._lag = lag
        self._changelog = changelog
        self._offset_gaps = offset_gaps
        self._writer = writer
        self._items = items
        self._quality = quality
        self._model = model
        self._source_partitions = source_partitions
        self._sweep = sweep

    def collect(self) -> Iterator[Metric]:
        """All families, also those that have no values yet."""
        yield from self._times()
        yield from self._partitions_now()
        yield from self._items_now()
        yield from self._quality_now()
        yield from self._model_now()
        yield from self._sweep_now()

    def _times(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield _gauge(
            "interest_last_commit_timestamp_seconds", "Unix time of the last committed step.", metrics.committed_s
        )
        yield _gauge(
            "interest_newest_event_timestamp_seconds",
            "Unix time of the newest event of the last committed step: event time is behind by time() minus this.",
            metrics.newest_event_s,
        )

    def _partitions_now(self) -> Iterator[Metric]:
        states = self._partitions.states()
        yield _gauge("interest_open_partitions", "Partitions that this worker has open.", len(states))
        yield _gauge(
            "interest_source_partitions", "Partitions of all workers (topics.partitions).", self._source_partitions
        )
        yield _labelled(
            "interest_partition_lag_records",
            "Records between what is applied and the end, as far as fetches have shown; markers of transactions count.",
            "partition",
            self._lag.records(),
        )
        yield _labelled(
            "interest_store_bytes",
            "Bytes of the files that hold a partition's rows.",
            "partition",
            {state.partition: store_bytes(state.store.folder) for state in states},
        )
        yield _counter("interest_rebalances", "Assignments of partitions to this worker.", self._partitions.assignments)
        yield _counter(
            "interest_transaction_failures", "Transactions that failed or may have failed.", self._writer.failures
        )
        yield _counter("interest_restored_records", "Changelog records restored so far.", self._changelog.restored)
        yield _gauge(
            "interest_restore_remaining_records", "Changelog records still to be restored.", self._changelog.remaining
        )
        yield _counter(
            "interest_expired_records", "Records that expired before they were read.", self._offset_gaps.expired
        )

    def _items_now(self) -> Iterator[Metric]:
        vocabulary = self._items.vocabulary
        yield _gauge("interest_items", "Items that have a slot.", len(vocabulary))
        yield _gauge("interest_items_capacity", "Slots for items (items.capacity).", vocabulary.capacity)
        evicted = max(0, vocabulary.register.count - len(vocabulary))
        yield _counter("interest_evicted_items", "Items that lost their slot to a newcomer.", evicted)

    def _quality_now(self) -> Iterator[Metric]:
        quality = self._quality.quality()
        predictors = {"model": quality, "popularity": quality.popularity}
        for name, help_text, attribute in (
            ("interest_quality_recall_at_10_ratio", "Running recall@10 over the last scored events.", "recall_at_10"),
            ("interest_quality_mrr_ratio", "Running mean reciprocal rank over the last scored events.", "mrr"),
            ("interest_quality_log_loss_nats", "Running log-loss over the last scored events.", "log_loss"),
        ):
            means = {predictor: getattr(means, attribute) for predictor, means in predictors.items()}
            known = {predictor: mean for predictor, mean in means.items() if mean is not None and not math.isnan(mean)}
            yield _labelled(name, help_text, "predictor", known)
        yield _gauge("interest_quality_window_events", "Events that the quality is the mean of.", quality.window)
        yield _counter("interest_scored_events", "Events that were scored before they were learnt.", quality.scored)

    def _model_now(self) -> Iterator[Metric]:
        model = self._model
        yield _counter(
            "interest_applied_releases",
            "Releases of the model that were applied.",
            0 if model is None else model.releases,
        )
        yield _counter(
            "interest_release_apply_seconds",
            "Wall time that applying them took.",
            0 if model is None else model.seconds,
        )
        yield _counter(
            "interest_release_faults", "Releases that were not complete.", 0 if model is None else model.faults
        )
        yield _gauge(
            "interest_release_timestamp_seconds",
            "Unix time at which the release in use was written.",
            None if model is None or model.written_ms is None else model.written_ms / 1000,
        )
        lineage = None if model is None else f"{model.engine.version.lineage:08x}"
        yield _labelled(
            "interest_model_info", "Lineage of the weights in use.", "lineage", {} if lineage is None else {lineage: 1}
        )

    def _sweep_now(self) -> Iterator[Metric]:
        sweep = self._sweep
        for name, help_text, value in (
            ("interest_swept_users", "Users whom the sweep for silent ones has looked at.", sweep and sweep.users),
            (
                "interest_churn_warnings",
                "Records of interest-churn that were committed.",
                sweep and sweep.warned,
            ),
            ("interest_sweep_seconds", "Wall time for which steps had to wait for the sweep.", sweep and sweep.seconds),
        ):
            yield _counter(name, help_text, value or 0)


def _gauge(name: str, help_text: str, value: float | None) -> GaugeMetricFamily:
    """Without a value where that is not known yet."""
    family = GaugeMetricFamily(name, help_text, labels=())
    if value is not None:
        family.add_metric((), value)
    return family


def _counter(name: str, help_text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_text, value=value)


def _labelled(name: str, help_text: str, label: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=(label,))
    for key, value in values.items():
        family.add_metric((str(key),), value)
    return family
