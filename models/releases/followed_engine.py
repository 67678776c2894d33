"""An engine that follows the releases of a trainer, and counts its own events on top until the trainer has them."""

from collections import deque
from collections.abc import Mapping

import torch

from models.data.new_events import NewEvents
from models.inference.engine import Engine, StepResult
from models.releases.release import Release


class FollowedEngine:
    """For one thread: between two steps of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own: deque[tuple[int, int, NewEvents]] = deque()  # source, position, events; not in released counts
        self._clock = 0  # events by which popularity has aged

    @property
    def own_events(self) -> int:
        """Events that are counted here alone."""
        return sum(len(events) for _, _, events in self._own)

    def observe(self, step: StepResult, source: int, position: int) -> None:
        """Count the events of a committed step, which a release covers that has read `source` beyond `position`."""
        events = NewEvents.of(step.rows, step.new_events)
        self._engine.counts.count(events)
        self._own.append((source, position, events))
        self._clock += len(events)

    def apply(self, release: Release, covered: Mapping[int, int]) -> None:
        """Go on with a release that has read each source up to `covered`. WeightsError where it does not fit."""
        item = release.item
        embedding, bias = (torch.from_numpy(release.embeddings[name]) for name in ("weight", "bias"))
        self._engine.put_weights(release.manifest.model_version, release.shared, item, embedding, bias)
        if not release.gate:
            return
        self._own = deque(own for own in self._own if own[1] >= covered.get(own[0], 0))
        clock = release.manifest.counted_events + self.own_events
        own = [events for _, _, events in self._own]
        aged_by = max(clock - self._clock, 0)
        self._engine.counts.put_rows(release.counted, release.counts, release.gate, own, aged_by)
        self._clock = max(clock, self._clock)
