"""Prequential quality of a worker: running means over the sampled events of its committed steps, and their records."""

import math
import time
from collections.abc import Callable
from dataclasses import astuple

import msgspec
from aiokafka.structs import TopicPartition

from models.inference.predictions import ModelVersion
from models.metrics.prequential_sample import PrequentialSample
from models.metrics.rolling import Quality, RollingQuality
from streams.kafka.transaction import ProducerRecord
from streams.schema.quality import INTERVAL_S, Means, WorkerQuality


class QualityMeter:
    """Collects the scored events of committed steps; at most one record per interval."""

    def __init__(self, topic: str, worker: str, owned: Callable[[], list[int]], interval_s: float = INTERVAL_S) -> None:
        """`owned` names the partitions of this worker."""
        self.topic_partition = TopicPartition(topic, 0)
        """Where the records go"""
        self._worker = worker
        self._owned = owned
        self._interval_s = interval_s
        self._running = RollingQuality()
        self._events = 0
        self._model_version = ModelVersion(0, 0)
        self._written_s = time.monotonic()
        self._pending = False

    def add(self, events: int, sample: PrequentialSample | None, model_version: ModelVersion) -> None:
        """Count a committed step of so many events; call it after the commit only."""
        self._events += events
        self._model_version = model_version
        if sample is not None:
            self._running.add(sample)
        self._pending = True

    def mark_written(self) -> None:
        """The record returned last is committed."""
        self._written_s, self._pending = time.monotonic(), False

    def record_if_due(self) -> ProducerRecord | None:
        """The record to write with this step; None before the interval has passed or where nothing is new."""
        return self.pending_record() if time.monotonic() - self._written_s >= self._interval_s else None

    def pending_record(self) -> ProducerRecord | None:
        """The record of all committed steps; None where the last record covered them."""
        return ProducerRecord(self._worker.encode(), msgspec.json.encode(self.quality())) if self._pending else None

    def quality(self) -> WorkerQuality:
        """The running means now."""
        running = self._running
        model = _means(running.model)
        return WorkerQuality(
            recall_at_10=model.recall_at_10,
            mrr=model.mrr,
            log_loss=model.log_loss,
            worker=self._worker,
            emitted_at=int(time.time() * 1000),
            model_version=str(self._model_version),
            events=self._events,
            scored=running.scored,
            window=running.window,
            possible=running.possible,
            popularity=_means(running.popularity),
            partitions=self._owned(),
        )


def _means(quality: Quality) -> Means:
    return Means(*(None if math.isnan(mean) else round(mean, 5) for mean in astuple(quality)))
