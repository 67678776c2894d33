import threading
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.errors import WeightsError
from models.experts.count_experts import CountExperts


def observed(config: ModelConfig, *items: int) -> CountExperts:
    experts = CountExperts(config)
    n = len(items)
    batch = EventBatch(np.zeros(n, np.int64), np.array(items), np.full(n, 2), np.arange(n) * 1000)
    experts.observe(Timeline(batch, new_user_states(config, 1)))
    return experts


def test_recency_speaks_only_where_items_come_back(config: ModelConfig) -> None:
    assert "recency" not in CountExperts(config).names
    experts = observed(replace(config, allow_repeats=True), 1, 2)
    assert experts.names[-1] == "recency"
    following = experts.follow(np.array([[2, 1, 2]]), torch.ones(1, 4))
    np.testing.assert_allclose(following.each[-1, 0], [0, 0.7, 1.49, 0])


@pytest.mark.parametrize("repeats", ["allow", "filter"])
@pytest.mark.parametrize("rows", [5, 10, 3000])
def test_what_follows_is_the_same_for_the_successors_alone(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch, repeats: Literal["allow", "filter"], rows: int
) -> None:
    experts = observed(replace(config, allow_repeats=repeats == "allow"), 1, 7, 2, 9, 1, 2, 2, 4)
    experts.grow(3000)
    recent = np.array([[1, 9, 2, 7, 2], [7, 0, 0, 0, 0], [2900, 1, 1, 0, 0]])
    open_ = torch.ones(3, rows)
    open_[:, 0], open_[0, 1], open_[2] = 0, 0, 0
    found = []
    for least in (np.inf, 0):
        monkeypatch.setattr("models.experts.count_experts._SPARSE_FROM", least)
        found.append(experts.follow(recent, open_))
    everywhere, leads = found
    assert everywhere.places.at is None
    assert leads.places.at is not None
    dense = torch.stack([torch.zeros(3, rows).scatter_(1, leads.places.at, each) for each in leads.each])
    torch.testing.assert_close(dense, everywhere.each)
    torch.testing.assert_close(leads.total, everywhere.total)
    torch.testing.assert_close(everywhere.total[..., 0], dense.sum(2))
    assert not dense[:, open_ == 0].any()


def test_newest_in_time_is_most_popular_whoever_did_it(config: ModelConfig) -> None:
    """The batch is grouped by user; the clock decides."""
    experts = CountExperts(config)
    time_ms = np.concatenate([np.arange(100) + 1000, np.arange(100)])
    batch = EventBatch(np.repeat([0, 1], 100), np.repeat([7, 9], 100), np.full(200, 2), time_ms)
    experts.observe(Timeline(batch, new_user_states(config, 2)))
    popular = experts.popular(12)
    assert popular[0, 7] > 3 * popular[0, 9]
    assert popular[3, 7] == popular[3, 9]


def test_largest_counted_item_is_known(config: ModelConfig) -> None:
    assert CountExperts(config).known == 0
    assert observed(config, 3, 17, 0).known == 17


def test_state_does_not_follow_the_counts(config: ModelConfig) -> None:
    experts = observed(config, 1, 2, 3)
    state = {name: array.copy() for name, array in experts.state().items()}
    taken = experts.state()
    batch = EventBatch(np.zeros(2, np.int64), np.array([2, 3]), np.full(2, 2), np.zeros(2, np.int64))
    experts.observe(Timeline(batch, new_user_states(config, 1)))
    for name, array in state.items():
        np.testing.assert_array_equal(taken[name], array)


def test_memory_per_item_is_bounded() -> None:
    config = ModelConfig(device="cpu")
    items = np.random.default_rng(0).integers(1, 2001, 20_000).tolist()
    state = observed(config, *items).state()
    per_item = sum(array.nbytes for name, array in state.items() if not name.startswith("mixer")) / 2001
    assert per_item == pytest.approx(2 * (256 * 8 + 4) + 4 * 8)


def test_copies_taken_by_another_thread_are_whole(config: ModelConfig) -> None:
    """Popularity and pairs of one copy come from the same batches, while counting goes on and tables grow."""
    experts, stop = CountExperts(config), threading.Event()
    taken: list[tuple[float, float]] = []

    def copy() -> None:
        while not stop.is_set():
            state = experts.state()
            taken.append((float(state["popularity.counts"][-1].sum()), float(state["after.totals"].sum())))

    thread = threading.Thread(target=copy)
    thread.start()
    for number in range(300):
        item = np.array([1, 2 + number * 10])
        batch = EventBatch(np.zeros(2, np.int64), item, np.full(2, 2), np.arange(2) * 1000)
        experts.observe(Timeline(batch, new_user_states(config, 1)))
        experts.grow(int(item.max()) + 100)
    stop.set()
    thread.join()
    assert len(taken) > 1
    assert all(counted == 2 * pairs for counted, pairs in taken)


@pytest.mark.parametrize(
    ("changed", "said"), [({"max_successors": 32}, "successors"), ({"allow_repeats": True}, "experts")]
)
def test_counts_of_another_kind_are_refused(config: ModelConfig, changed: dict[str, Any], said: str) -> None:
    state = observed(config, 1, 2, 3).state()
    with pytest.raises(WeightsError, match=said):
        CountExperts(replace(config, **changed)).restore(state)
