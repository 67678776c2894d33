import threading
from dataclasses import replace
from typing import Any

import pytest

from models.config import ModelConfig
from models.errors import WeightsError
from models.experts.mixture_state import MixtureState
from tests.unit.models.new_events import events_of


def test_copies_on_another_thread_are_consistent(config: ModelConfig) -> None:
    """Popularity and pairs of one copy come from the same batches, while counting goes on and tables grow."""
    state, stop = MixtureState(config), threading.Event()
    sums: list[tuple[float, float]] = []

    def copy() -> None:
        while not stop.is_set():
            arrays = state.state()
            sums.append((float(arrays["popularity.counts"][-1].sum()), float(arrays["successors.totals"].sum())))

    thread = threading.Thread(target=copy)
    thread.start()
    for number in range(300):
        state.observe(events_of(1, 2 + number * 10))
        state.grow(2 + number * 10 + 100)
    stop.set()
    thread.join()
    assert len(sums) > 1
    assert all(events == 2 * pairs for events, pairs in sums)


@pytest.mark.parametrize(
    ("changed", "message"), [({"max_successors": 32}, "successors"), ({"allow_repeats": True}, "experts")]
)
def test_state_of_other_experts_is_refused(config: ModelConfig, changed: dict[str, Any], message: str) -> None:
    state = MixtureState(config)
    state.observe(events_of(1, 2, 3))
    with pytest.raises(WeightsError, match=message):
        MixtureState(replace(config, **changed)).restore(state.state())
