import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.errors import WeightsError
from models.experts.mixture_state import MixtureState


def observe(state: MixtureState, config: ModelConfig, *items: int) -> None:
    n = len(items)
    batch = EventBatch(np.zeros(n, np.int64), np.array(items), np.full(n, 2), np.arange(n) * 1000)
    state.observe(Timeline(batch, new_user_states(config, 1)))


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
        observe(state, config, 1, 2 + number * 10)
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
    observe(state, config, 1, 2, 3)
    with pytest.raises(WeightsError, match=message):
        MixtureState(replace(config, **changed)).restore(state.state())
