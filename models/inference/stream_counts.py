"""All that an engine counts of the stream: the experts' counts with their gate, and decayed popularity beside them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.growable_array import FIRST_ROWS, grown
from models.data.influence import NO_LIMITS, InfluenceLimits
from models.data.new_events import NewEvents
from models.experts.gate import GateExamples
from models.experts.mixture_state import MixtureState
from models.experts.popularity_counts import HALF_LIVES
from models.items.register import ItemRegister
from models.metrics.popularity_baseline import DecayedPopularity

POPULARITY: Final = "decayed-popularity"
EXPERT_POPULARITY: Final = "popularity.counts"
COUNTED: Final = "counted"

Arrays = Mapping[str, NDArray[Any]]


class CountedEvents(NamedTuple):
    """Events that were counted, by which counts age; not those that `limits` leave out."""

    events: int = 0
    with_item: int = 0

    def plus(self, events: NewEvents) -> "CountedEvents":
        """After these."""
        return CountedEvents(self.events + len(events), self.with_item + int(np.count_nonzero(events.item)))


class StreamCounts:
    """The counts, in one thread at a time."""

    def __init__(self, config: ModelConfig, limits: InfluenceLimits = NO_LIMITS, registered: int = 0) -> None:
        """`limits` are those by which events are to be made for `count` and `teach_gate`."""
        self.registered = registered
        """Registrations of items that they follow"""
        self.limits = limits
        self.counted = CountedEvents()
        self._followed = self.counted  # of who counts for all, at the last `put_rows`
        self.experts = MixtureState(config) if config.experts else None
        self.popularity = DecayedPopularity()
        self._changed = np.zeros(FIRST_ROWS, np.bool_)

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        if self.experts is not None:
            self.experts.grow(rows)

    def count(self, events: NewEvents) -> None:
        """Count the events."""
        self.counted = self.counted.plus(events)
        self._changed = grown(self._changed, int(events.item.max(initial=0)) + 1)
        self._changed[events.item[events.item > 0]] = True
        if self.experts is not None:
            self.experts.observe(events)
        self.popularity.observe(events.item)

    def follow(self, register: ItemRegister) -> None:
        """Begin anew with the slots that changed hands; to be called before any event of the new holders is counted."""
        self.registered, taken_over = register.taken_over(self.registered)
        self.forget(taken_over)

    def forget(self, item: NDArray[np.int64]) -> None:
        """Begin anew with these items: other ones have their slots."""
        if not len(item):
            return
        self._changed = grown(self._changed, int(item.max()) + 1)
        self._changed[item] = True
        if self.experts is not None:
            self.experts.forget(item)
        self.popularity.forget(item)

    def teach_gate(self, examples: Sequence[GateExamples]) -> None:
        """Let the gate learn from scored events."""
        if self.experts is not None:
            for part in examples:
                self.experts.update_gate(part)

    def count_pairs(self, events: NewEvents) -> None:
        """Count only pairs of items, of events by which popularity has aged already."""
        if self.experts is not None:
            self.experts.count_pairs(events)

    def take_changed(self) -> NDArray[np.int64]:
        """Items whose popularity changed, but for its age, since the last call."""
        changed = np.flatnonzero(self._changed)
        self._changed[changed] = False
        return changed

    def take_changed_pairs(self) -> NDArray[np.int64]:
        """Items with pairs that were counted since the last call; none without experts."""
        return np.zeros(0, np.int64) if self.experts is None else self.experts.take_changed_pairs()

    def rows(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the popularity of these items, for `put_rows`, and what had been counted then."""
        counts: dict[str, NDArray[Any]] = {POPULARITY: self.popularity.counts_of(item)}  # [n]
        counts[COUNTED] = np.tile(np.array(self.counted, np.int64), (len(item), 1))  # [n, 2]
        if self.experts is not None:
            counts[EXPERT_POPULARITY] = self.experts.popularity_of(item).T  # [n, L]
        return counts

    def pairs(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the counted pairs of these items; empty without experts."""
        return {} if self.experts is None else self.experts.pairs(item)

    def gate(self) -> dict[str, NDArray[Any]]:
        """Copy of the gate, for `put_rows`; empty without experts."""
        return {} if self.experts is None else self.experts.gate_state()

    def put_rows(
        self,
        item: NDArray[np.int64],
        counts: Arrays,
        gate: Arrays,
        uncovered: Sequence[NewEvents],
        counted: CountedEvents,
    ) -> None:
        """Go on with popularity and gate of who counts for all, but for the events `own` that are counted here alone.

        `counted` are those that it has counted by now: what is missing of these here, other items' popularity ages by.
        WeightsError where they do not fit.
        """
        now = counted
        for events in uncovered:
            now = now.plus(events)
        aged_by = CountedEvents(*(max(after - before, 0) for after, before in zip(now, self.counted, strict=True)))
        age, age_with_item = (np.array(now) - counts[COUNTED]).T if len(item) else np.zeros((2, 0), np.int64)
        if self.experts is not None:
            popularity = counts[EXPERT_POPULARITY].T if len(item) else np.zeros((len(HALF_LIVES), 0))
            self.experts.put_popularity(item, popularity, age, gate, uncovered, aged_by.events)
        self.popularity.advance(aged_by.with_item)
        popularity = counts[POPULARITY] if len(item) else np.zeros(0)
        self.popularity.put(item, popularity, age_with_item, [events.item for events in uncovered])
        # One that has counted less than the last began anew: what is counted elsewhere ages these by its clock.
        began_anew, self._followed = counted.events < self._followed.events, counted
        self.counted = now if began_anew else CountedEvents(*map(max, now, self.counted))

    def put_pairs(self, item: NDArray[np.int64], pairs: Arrays, newer: Sequence[NewEvents]) -> None:
        """Go on with the packed pairs of who counts for all, but for those of `newer` events, which it had not counted.

        WeightsError where they do not fit.
        """
        if self.experts is not None and len(item):
            self.experts.put_pairs(item, pairs, newer)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of everything, for a checkpoint."""
        state = {} if self.experts is None else self.experts.state()
        return state | {POPULARITY: self.popularity.state()}

    def restore(self, state: Arrays) -> None:
        """Go on from `state`; nothing changes where that is empty. WeightsError where it does not fit."""
        experts = dict(state)
        popularity = experts.pop(POPULARITY, None)
        if popularity is not None:
            self.popularity.restore(popularity)
        if self.experts is not None and experts:
            self.experts.restore(experts)
