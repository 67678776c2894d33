"""Traffic: rates and latencies of the last seconds, in memory alone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Final

from streams.kafka.offset_reader import Position

_WINDOW_S: Final = 10
_SOURCES: Final = 50_000  # records of events whose predictions are awaited
_LATENCIES: Final = 2_000


class Rate:
    """Occurrences per second over the last ten seconds."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._lock = Lock()

    def add(self, count: int) -> None:
        """So many now."""
        with self._lock:
            self._counts.append((time.monotonic(), count))
            self._drop()

    def per_s(self) -> float:
        """The mean of the window."""
        with self._lock:
            self._drop()
            return sum(count for _, count in self._counts) / _WINDOW_S

    def _drop(self) -> None:
        oldest_s = time.monotonic() - _WINDOW_S
        while self._counts and self._counts[0][0] < oldest_s:
            self._counts.popleft()


class Traffic:
    """What passes, as the thread that follows Kafka sees it."""

    def __init__(self) -> None:
        self.events = Rate()
        self.predictions = Rate()
        self._source_ms: dict[tuple[int, int], int] = {}
        self._latency_ms: deque[int] = deque(maxlen=_LATENCIES)
        self._last_event_ms: dict[int, int] = {}  # partition → record time of its newest event
        self._predicted: dict[int, int] = {}  # partition → offset after the newest event that a prediction is of
        self._ends: dict[Position, int] = {}

    def event(self, partition: int, offset: int, record_ms: int) -> None:
        """A record of user-events has come."""
        self._source_ms[partition, offset] = record_ms
        if len(self._source_ms) > _SOURCES:
            for oldest in list(self._source_ms)[: _SOURCES // 10]:
                del self._source_ms[oldest]
        self._last_event_ms[partition] = record_ms

    def prediction(self, partition: int, offset: int, record_ms: int) -> None:
        """A prediction that the event there has caused has come."""
        self._predicted[partition] = max(offset + 1, self._predicted.get(partition, 0))
        source_ms = self._source_ms.pop((partition, offset), None)
        if source_ms is not None:
            self._latency_ms.append(max(0, record_ms - source_ms))

    def forget_positions(self) -> None:
        """The topics are others now."""
        self._predicted, self._source_ms = {}, {}

    def measured(self, ends: dict[Position, int]) -> None:
        """The ends of the topics have been asked for."""
        self._ends = ends

    def end(self, topic: str, partition: int) -> int | None:
        """The end of a partition when it was last asked for."""
        return self._ends.get((topic, partition))

    def lag(self, topic: str, partitions: int) -> int | None:
        """Events behind the newest that predictions are of, in all partitions; None before anything is known."""
        if not self._predicted:
            return None
        behind = 0
        for partition in range(partitions):
            end = self._ends.get((topic, partition))
            if end is not None and partition in self._predicted:
                behind += max(0, end - self._predicted[partition])
        return behind

    def last_event_ms(self, partition: int) -> int | None:
        """Record time of the partition's newest event, as far as it was seen."""
        return self._last_event_ms.get(partition)

    def latency_ms(self, shares: Sequence[float]) -> list[float | None]:
        """These quantiles of the time from an event's record to that of its prediction."""
        ordered = sorted(self._latency_ms.copy())
        if not ordered:
            return [None] * len(shares)
        return [float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in shares]
