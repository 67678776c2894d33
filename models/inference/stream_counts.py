"""All that an engine counts of the stream: the experts' counts with their gate, and decayed popularity beside them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.influence import NO_LIMITS, InfluenceLimits
from models.data.new_events import NewEvents
from models.experts.gate import GateExamples
from models.experts.mixture_state import MixtureState
from models.metrics.popularity_baseline import DecayedPopularity

POPULARITY: Final = "decayed-popularity"

Arrays = Mapping[str, NDArray[Any]]


class CountedEvents(NamedTuple):
    """Events that were counted, by which counts age; not those that `limits` leave out."""

    events: int = 0
    with_item: int = 0

    def plus(self, events: NewEvents) -> "CountedEvents":
        """After these."""
        return CountedEvents(self.events + len(events), self.with_item + int(np.count_nonzero(events.item)))


class StreamCounts:
    """One thread at a time may predict with them and change them; any thread may copy their `state`."""

    def __init__(self, config: ModelConfig, limits: InfluenceLimits = NO_LIMITS) -> None:
        """`limits` are those by which events are to be made for `count` and `teach_gate`."""
        self.limits = limits
        self.counted = CountedEvents()
        self.experts = MixtureState(config) if config.experts else None
        self.popularity = DecayedPopularity()
        self._lock = threading.Lock()

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        if self.experts is not None:
            self.experts.grow(rows)

    def count(self, events: NewEvents) -> None:
        """Count the events."""
        self.counted = self.counted.plus(events)
        if self.experts is not None:
            self.experts.observe(events)
        with self._lock:
            self.popularity.observe(events.item)

    def teach_gate(self, examples: Sequence[GateExamples]) -> None:
        """Let the gate learn from scored events."""
        if self.experts is not None:
            for part in examples:
                self.experts.update_gate(part)

    def take_changed(self) -> NDArray[np.int64]:
        """Items whose counts changed since the last call; none without experts."""
        return np.zeros(0, np.int64) if self.experts is None else self.experts.take_changed()

    def rows(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the counts of these items, for `put_rows`."""
        with self._lock:
            counts: dict[str, NDArray[Any]] = {POPULARITY: self.popularity.counts_of(item)}
        return counts if self.experts is None else counts | self.experts.rows(item)

    def gate(self) -> dict[str, NDArray[Any]]:
        """Copy of the gate, for `put_rows`; empty without experts."""
        return {} if self.experts is None else self.experts.gate_state()

    def put_rows(
        self,
        item: NDArray[np.int64],
        counts: Arrays,
        gate: Arrays,
        own: Sequence[NewEvents],
        counted: CountedEvents,
    ) -> None:
        """Go on with the counts of who counts for all, but for the events `own` that are counted here alone.

        `counted` are those that it has counted: what is missing of these here, other items' popularity ages by.
        WeightsError where the counts do not fit.
        """
        for events in own:
            counted = counted.plus(events)
        aged_by = CountedEvents(*(max(now - before, 0) for now, before in zip(counted, self.counted, strict=True)))
        if self.experts is not None:
            self.experts.put_rows(item, counts, gate, own, aged_by.events)
        with self._lock:
            self.popularity.advance(aged_by.with_item)
            if len(item):
                self.popularity.put(item, counts[POPULARITY], [events.item for events in own])
        self.counted = CountedEvents(*map(max, counted, self.counted))

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of everything, for a checkpoint."""
        state = {} if self.experts is None else self.experts.state()
        with self._lock:
            return state | {POPULARITY: self.popularity.state()}

    def restore(self, state: Arrays) -> None:
        """Go on from `state`; nothing changes where that is empty. WeightsError where it does not fit."""
        experts = dict(state)
        popularity = experts.pop(POPULARITY, None)
        if popularity is not None:
            with self._lock:
                self.popularity.restore(popularity)
        if self.experts is not None and experts:
            self.experts.restore(experts)
