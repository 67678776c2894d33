"""An engine that follows the releases of a trainer, and counts its own events on top until the trainer has them."""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.new_events import NewEvents
from models.inference.engine import Engine
from models.inference.step_result import StepResult
from models.releases.release import LAST_SEEN, Release

MAX_OWN_EVENTS: Final = 50_000
"""92 bytes each, and 8 µs in each release that has pairs: a trainer that is far behind must not hold up the stream"""


class _OwnEvents(NamedTuple):
    """Counted here, and not in released counts."""

    source: int
    position: int
    events: NewEvents


class FollowedEngine:
    """For one thread: between two steps of the engine.

    Its counts are those of the newest release and its own events that the release does not cover. Own events beyond
    `max_own_events`, the oldest ones, are forgotten: counts that are released before the trainer has read those lack
    them here until it has, as they do everywhere else. None is counted twice.
    """

    def __init__(self, engine: Engine, max_own_events: int = MAX_OWN_EVENTS) -> None:
        self._engine = engine
        self._own: deque[_OwnEvents] = deque()
        self._registered = engine.register.count  # registrations that own events follow
        self._covered: Mapping[int, int] = {}
        self._max_own_events = max_own_events
        self.own_events = 0
        """Events that are counted here alone, and not forgotten"""

    def observe(self, step: StepResult, source: NDArray[np.int64], position: Mapping[int, int]) -> None:
        """Count the events of a committed step, but for those that the newest release covers.

        `source` [U] is that of each row, `position` the next offset of each after the step: a release that has read
        as far contains the events.
        """
        self._follow_register()
        for number in np.unique(source).tolist():
            if self._covered.get(number, 0) >= position[number]:
                continue
            row = np.flatnonzero(source == number)
            events = NewEvents.of(step.rows[row], step.new_events[row], self._engine.counts.limits)
            self._engine.counts.count(events)
            self._own.append(_OwnEvents(number, position[number], events))
            self.own_events += len(events)
        while self.own_events > self._max_own_events and len(self._own) > 1:
            self.own_events -= len(self._own.popleft().events)

    def apply(self, release: Release, covered: Mapping[int, int]) -> None:
        """Go on with a release that has read each source up to `covered`. WeightsError where it does not fit.

        UnknownItemError where the item register was not read as far as its `manifest.items`: to be read first.
        """
        self._follow_register()
        release = release.of_present_items(self._engine.register)
        horizons = self._engine.horizons
        # Before anything changes: a release of which one part does not fit leaves the model as it was.
        use_heads = horizons.prepared(release.horizons) if horizons is not None and release.horizons else None
        self._engine.put_weights(release.manifest.model_version, release.shared, release.item, *release.item_weights())
        if use_heads is not None:
            use_heads()
        kept = deque(step for step in self._own if step.position > covered.get(step.source, 0))
        events = [step.events for step in kept]
        counts = self._engine.counts
        counts.put_rows(release.counted, release.counts, release.gate, events, release.manifest.counted)
        counts.put_pairs(release.paired, release.pairs, [*release.unpaired, *events])
        if len(release.counted):
            self._engine.register.put_last_seen(release.counted, release.counts[LAST_SEEN])
        self._own, self._covered = kept, dict(covered)
        self.own_events = sum(map(len, events))

    def _follow_register(self) -> None:
        self._registered, gone = self._engine.register.taken_over(self._registered)
        if len(gone):
            self._own = deque(step._replace(events=step.events.without(gone)) for step in self._own)
