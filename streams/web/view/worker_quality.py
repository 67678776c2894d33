"""Quality of the workers: the newest record of each, and their history in steps.

The steps are of five seconds for an hour, and of half a minute for a week.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from state.ordered_store import OrderedStore
from streams.schema.quality import WorkerQuality, decode_quality
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import QUALITY, WORKER, id_key, number_key
from streams.web.view.rows import QUALITY_POINT, QualityPoint, encode

_TIERS: Final = ((QUALITY + b"0", 5_000, 3_600_000), (QUALITY + b"1", 30_000, 7 * 86_400_000))
"""Prefix, length of a step, and how long they are kept, in ms; from the finest to the coarsest"""
ACTIVE_MS: Final = 86_400_000
"""A worker without a record for so long is left out"""


class QualityRecords:
    """Rows of quality. `put` is for the thread that writes, the rest is for any."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store

    def put(self, quality: WorkerQuality, value: bytes, batch: ViewBatch) -> None:
        """A worker's record, which replaces the one before; each of its steps keeps the last one."""
        batch.put(id_key(WORKER, quality.worker), value)
        point = encode(_point(quality))
        at_ms = max(0, quality.emitted_at)
        for prefix, step_ms, kept_ms in _TIERS:
            step = number_key(prefix, at_ms // step_ms)
            if next(self._store.scan(step), None) is None:
                for key, _ in self._store.scan(prefix, before=number_key(prefix, max(0, at_ms - kept_ms) // step_ms)):
                    batch.delete(key)
            batch.put(step + quality.worker.encode(), point)

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
        """All workers together by step since a time, oldest first."""
        age_ms = int(time.time() * 1000) - since_ms - _TIERS[0][1]  # of the last hour: some ms ago when it is answered
        prefix, step_ms, _ = next((tier for tier in _TIERS if age_ms <= tier[2]), _TIERS[-1])
        begin = number_key(prefix, max(0, since_ms) // step_ms)
        steps: dict[bytes, list[QualityPoint]] = {}
        for key, value in self._store.scan(prefix, begin):
            steps.setdefault(key[: len(begin)], []).append(QUALITY_POINT(value))
        return [_pooled(points) for points in steps.values()]


def _point(quality: WorkerQuality) -> QualityPoint:
    return QualityPoint(
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
