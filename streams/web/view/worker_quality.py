"""Quality of the workers: the newest record of each, and their history in steps of half a minute."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from state.ordered_store import OrderedStore
from streams.schema.quality import WorkerQuality, decode_quality
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import QUALITY, WORKER, id_key, number_key
from streams.web.view.rows import QUALITY_POINT, QualityPoint, encode

_STEP_MS: Final = 30_000
_KEPT_MS: Final = 7 * 86_400_000
ACTIVE_MS: Final = 86_400_000
"""A worker without a record for so long is left out"""


class QualityRecords:
    """Rows of quality. `put` is for the thread that writes, the rest is for any."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store

    def put(self, quality: WorkerQuality, value: bytes, batch: ViewBatch) -> None:
        """A worker's record, which replaces the one before; each of its half-minutes keeps the last one."""
        batch.put(id_key(WORKER, quality.worker), value)
        step = number_key(QUALITY, quality.emitted_at // _STEP_MS if quality.emitted_at > 0 else 0)
        first_of_step = next(self._store.scan(step), None) is None
        point = QualityPoint(
            quality.emitted_at,
            quality.model_version,
            quality.scored,
            quality.window,
            quality.possible,
            quality.recall_at_10,
            quality.mrr,
            quality.log_loss,
            quality.popularity.recall_at_10,
        )
        batch.put(step + quality.worker.encode(), encode(point))
        if first_of_step:
            oldest = number_key(QUALITY, max(0, quality.emitted_at - _KEPT_MS) // _STEP_MS)
            for key, _ in self._store.scan(QUALITY, before=oldest):
                batch.delete(key)

    def forget(self, worker: str, batch: ViewBatch) -> None:
        """Deletes the worker's newest record."""
        batch.delete(id_key(WORKER, worker))

    def newest(self) -> list[WorkerQuality]:
        """The newest record of each worker of the last day, newest first."""
        since_ms = int(time.time() * 1000) - ACTIVE_MS
        records = [decode_quality(value) for _, value in self._store.scan(WORKER)]
        records = [record for record in records if record.emitted_at >= since_ms]
        return sorted(records, key=lambda record: record.emitted_at, reverse=True)

    def history(self, since_ms: int) -> list[QualityPoint]:
        """All workers together by half-minute since a time, oldest first."""
        begin = number_key(QUALITY, max(0, since_ms) // _STEP_MS)
        steps: dict[bytes, list[QualityPoint]] = {}
        for key, value in self._store.scan(QUALITY, begin):
            steps.setdefault(key[: len(begin)], []).append(QUALITY_POINT(value))
        return [_pooled(points) for points in steps.values()]


def _pooled(points: list[QualityPoint]) -> QualityPoint:
    """Means over the windows of all workers."""
    newest = max(points, key=lambda point: point.emitted_at)
    return QualityPoint(
        newest.emitted_at,
        newest.model_version,
        sum(point.scored for point in points),
        sum(point.window for point in points),
        sum(point.possible for point in points),
        _mean((point.recall_at_10, point.window) for point in points),
        _mean((point.mrr, point.window) for point in points),
        _mean((point.log_loss, point.possible) for point in points),
        _mean((point.popularity_recall_at_10, point.window) for point in points),
    )


def _mean(pairs: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in pairs if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
