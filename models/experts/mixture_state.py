"""What the mixture learns from the stream: the counts of the experts and the weights of their gate."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.new_events import NewEvents
from models.errors import WeightsError
from models.experts.count_experts import POPULAR, CountExperts
from models.experts.gate import ExpertGate, GateExamples

_INITIAL_WEIGHTS: Final = {"network": 0.5, "next_5": 0.2, "next_20": 0.2, "prev_20": 0.2, "next_1": 0.0}
_OTHER_WEIGHT = 0.1
_INITIAL_LOGITS: Final = {"next_1": -2.0}
"""As little of next_1 as can be to begin with: where few events come, it is the one that is often wrong"""

_GATE = "gate."


class MixtureState:
    """Count experts and gate, in one thread at a time."""

    def __init__(self, config: ModelConfig, counts: CountExperts | None = None) -> None:
        self.counts = CountExperts(config) if counts is None else counts
        self.names = ("network", *POPULAR, *self.counts.history_names)
        """All experts in the gate's order"""
        self.gate = ExpertGate(
            np.array([_INITIAL_WEIGHTS.get(name, _OTHER_WEIGHT) for name in self.names]),
            np.array([_INITIAL_LOGITS.get(name, 0.0) for name in self.names]),
        )

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self.counts.grow(rows)

    def observe(self, events: NewEvents) -> None:
        """Count the events."""
        self.counts.observe(events)

    def forget(self, item: NDArray[np.int64]) -> None:
        """Drop these items from all counts."""
        self.counts.forget(item)

    def count_pairs(self, events: NewEvents) -> None:
        """Count only pairs of items, of events by which popularity has aged already."""
        self.counts.pairs.add(events)

    def take_changed_pairs(self) -> NDArray[np.int64]:
        """Items with pairs that were counted since the last call."""
        return self.counts.pairs.take_changed()

    def popularity_of(self, item: NDArray[np.int64]) -> NDArray[np.float64]:
        """[L, n] counts of these items."""
        return self.counts.popularity_of(item)

    def pairs(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the counted pairs of these items."""
        return self.counts.pairs.rows(item)

    def gate_state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of the gate."""
        return self.gate.state()

    def put_popularity(
        self,
        item: NDArray[np.int64],
        counts: NDArray[np.float64],
        age: NDArray[np.int64],
        gate: Mapping[str, NDArray[np.float64]],
        newer: Sequence[NewEvents],
        aged_by: int,
    ) -> None:
        """Go on from popularity and gate of who counts for all, as `CountExperts.put_popularity` does."""
        try:
            self.gate.restore(gate)
        except ValueError as error:
            raise _unfitting(error) from error
        self.counts.put_popularity(item, counts, age, newer, aged_by)

    def put_pairs(self, item: NDArray[np.int64], pairs: Mapping[str, NDArray[Any]], newer: Sequence[NewEvents]) -> None:
        """Go on from the pairs of who counts for all, as `PairCounts.put_rows` does."""
        try:
            self.counts.pairs.put_rows(item, pairs, newer)
        except ValueError as error:
            raise _unfitting(error) from error

    def update_gate(self, examples: GateExamples) -> None:
        """Let the gate learn from scored events."""
        self.gate.update(examples)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of counts and gate."""
        return self.counts.state() | {_GATE + name: array for name, array in self.gate.state().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. WeightsError where it was made with other experts or another `max_successors`."""
        gate = {name.removeprefix(_GATE): array for name, array in state.items() if name.startswith(_GATE)}
        try:
            self.counts.restore(state)
            self.gate.restore(gate)
        except ValueError as error:
            raise _unfitting(error) from error


def _unfitting(error: ValueError) -> WeightsError:
    return WeightsError(
        f"the counts were made with another model.max_successors or model.allow_repeats ({error}): set these back or "
        "begin anew"
    )
