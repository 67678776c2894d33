"""The lines that a worker logs every ten seconds."""

from __future__ import annotations

import logging

from streams.schema.quality import format_quality
from streams.worker.model.followed_model import FollowedModel
from streams.worker.partitions.offset_gaps import OffsetGaps
from streams.worker.pipeline import Pipeline
from streams.worker.quality_meter import QualityMeter

log = logging.getLogger(__name__)


class WorkerReport:
    """Counts and stage times since the last report, quality, and refused records where they are many."""

    def __init__(
        self, pipeline: Pipeline, offset_gaps: OffsetGaps, quality: QualityMeter, model: FollowedModel | None
    ) -> None:
        self._pipeline = pipeline
        self._offset_gaps = offset_gaps
        self._quality = quality
        self._model = model

    def log(self) -> None:
        """Logs them where anything was committed."""
        counts, seconds = self._pipeline.metrics.take_counts()
        if expired := self._offset_gaps.take_expired():
            counts["expired"] = expired
        if self._model is not None:
            seconds["follow"] = self._model.take_seconds()
        if counts["steps"]:
            stages = ", ".join(
                f"{stage} {1e6 * spent / max(counts['events'], 1):.0f}" for stage, spent in seconds.items()
            )
            log.info("%s; µs per event: %s", ", ".join(f"{n} {what}" for what, n in counts.items()), stages)
            log.info("%s", format_quality(self._quality.quality()))
            self._pipeline.log_rejections()
