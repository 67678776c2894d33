from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.experts.count_experts import CountExperts
from tests.unit.models.new_events import events_of


def observed(config: ModelConfig, *items: int, **how: Any) -> CountExperts:
    experts = CountExperts(config, **how)
    experts.observe(events_of(*items))
    return experts


def test_the_repeat_expert_exists_only_where_items_may_come_back(config: ModelConfig) -> None:
    assert "repeat" not in CountExperts(config).history_names
    experts = observed(replace(config, allow_repeats=True), 1, 2)
    assert experts.history_names[-1] == "repeat"
    scores = experts.history_scores(np.array([[2, 1, 2]]), torch.ones(1, 4))
    np.testing.assert_allclose(scores.values[-1, 0], [0, 0.7, 1.49, 0])


HAS_MKL = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]  # torch has no types for it
WITH_MKL = pytest.param(True, marks=pytest.mark.skipif(not HAS_MKL, reason="needs MKL"))


@pytest.mark.parametrize("sparse_products", [WITH_MKL, False])
@pytest.mark.parametrize("repeats", ["allow", "filter"])
@pytest.mark.parametrize("size", [5, 10, 3000])
def test_scores_are_the_same_by_either_way(
    config: ModelConfig, repeats: Literal["allow", "filter"], size: int, sparse_products: bool
) -> None:
    ways = ({"sparse_from": np.inf, "sparse_products": sparse_products}, {"sparse_from": 0})
    config = replace(config, allow_repeats=repeats == "allow")
    last_items = np.array([[1, 9, 2, 7, 2], [7, 0, 0, 0, 0], [2900, 1, 1, 0, 0]])
    mask = torch.ones(3, size)
    mask[:, 0], mask[0, 1], mask[2] = 0, 0, 0
    dense, sparse = (observed(config, 1, 7, 2, 9, 1, 2, 2, 4, **how) for how in ways)
    for experts in (dense, sparse):
        experts.grow(3000)
    expected, scores = dense.history_scores(last_items, mask), sparse.history_scores(last_items, mask)
    assert expected.columns.index is None
    index = scores.columns.index
    assert index is not None
    values = torch.stack([torch.zeros(3, size).scatter_(1, index, row_values) for row_values in scores.values])
    torch.testing.assert_close(values, expected.values)
    torch.testing.assert_close(scores.total, expected.total)
    torch.testing.assert_close(expected.total[..., 0], values.sum(2))
    assert not values[:, mask == 0].any()


def test_largest_counted_item_is_known(config: ModelConfig) -> None:
    assert CountExperts(config).known == 0
    assert observed(config, 3, 17, 0).known == 17


def test_state_does_not_follow_the_counts(config: ModelConfig) -> None:
    experts = observed(config, 1, 2, 3)
    state = experts.state()
    before = {name: array.copy() for name, array in state.items()}
    experts.observe(events_of(2, 3))
    for name, array in before.items():
        np.testing.assert_array_equal(state[name], array)


def test_memory_per_item_is_bounded() -> None:
    config = ModelConfig(device="cpu")
    items = np.random.default_rng(0).integers(1, 2001, 20_000).tolist()
    state = observed(config, *items).state()
    per_item = sum(array.nbytes for array in state.values()) / 2001
    assert per_item == pytest.approx(2 * (256 * 8 + 4) + 4 * 8)
