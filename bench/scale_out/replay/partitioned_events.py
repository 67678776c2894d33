"""A log split between workers by user, as partitions are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog


class PartitionedEvents:
    """Users of a log, each of one of the workers, drawn at random."""

    def __init__(self, users: int, workers: int, seed: int) -> None:
        self._worker: NDArray[np.int64] = np.random.default_rng(seed).integers(0, workers, users)
        self._workers = workers

    def of_each(self, events: EventLog) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """(worker, indices of its events in the log), for the workers that have some."""
        worker = self._worker[events.user]
        for number in range(self._workers):
            index = np.flatnonzero(worker == number)
            if len(index):
                yield number, index
