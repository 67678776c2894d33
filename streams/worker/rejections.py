"""Refused records in large numbers: most often a producer, or a setting, that is wrong as a whole."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from aiokafka import ConsumerRecord

from streams.errors import Rejected

log = logging.getLogger(__name__)

_FEWEST = 10
_SHARE = 0.01  # of all events and refused records, from which on they are many


class Rejections:
    """Counts of one interval, by reason."""

    def __init__(self) -> None:
        self._events = 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, Rejected] = {}

    def add(self, events: int, rejected: Sequence[tuple[ConsumerRecord[bytes, bytes], Rejected]]) -> None:
        """Counts the events and refused records of a batch."""
        self._events += events
        for _, error in rejected:
            self._reasons[error.code] += 1
            self._examples.setdefault(error.code, error)

    def log(self) -> None:
        """Logs the most frequent reason if many were refused, and begins the next interval."""
        refused, seen = self._reasons.total(), self._events + self._reasons.total()
        if refused >= max(_FEWEST, _SHARE * seen):
            ((reason, count),) = self._reasons.most_common(1)
            log.warning(
                "%d of %d records were refused, most of them (%d) as %s; the first: %s. "
                "`interest-stream dlq list --reason %s` shows them, `interest-stream dlq replay` sends them again once "
                "producer or settings are mended",
                refused,
                seen,
                count,
                reason,
                self._examples[reason].message,
                reason,
            )
        self._events = 0
        self._reasons.clear()
        self._examples.clear()
