"""Components of the interest over a horizon: distributions, and the top of their mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.experts.horizons.interest_components import InterestComponents, stored_items
from models.experts.horizons.interest_gate import COMPONENTS
from models.experts.horizons.interest_tops import InterestTops
from models.experts.popular_interest import PopularInterest
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from tests.unit.models.committed_steps import committed_step

MakeBatch = Callable[..., EventBatch]
USERS = 6
ROWS: list[NDArray[np.void]] = []
"""Those of the components"""


@pytest.fixture(params=["repeats", "no repeats", "network alone"])
def components(
    request: pytest.FixtureRequest, config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> InterestComponents:
    config = replace(
        config, horizons=True, allow_repeats=request.param != "no repeats", experts=request.param != "network alone"
    )
    engine = Engine(config, items)
    rows = new_user_states(config, USERS)
    for seed in range(3):
        rows = committed_step(engine, make_batch(40, USERS, seed=seed), rows).rows
    rows[-1] = 0  # a user without events
    rows, _, blocks = engine.distributions(rows)
    (block,) = blocks
    ROWS[:] = [rows]
    return InterestComponents(block, rows, engine.candidates)


def all_items(components: InterestComponents) -> torch.Tensor:
    return components.of_items(torch.arange(31).expand(USERS, -1))


def test_every_component_is_a_distribution_over_what_may_come(components: InterestComponents) -> None:
    p = all_items(components)  # [p, N + 1, E]
    assert p.shape == (USERS, 31, len(COMPONENTS))
    assert (p >= 0).all()
    assert not p[:, 0].any()
    total = p.sum(1)
    torch.testing.assert_close(total[:, :4], torch.ones(USERS, 4), rtol=1e-4, atol=1e-4)
    profile = total[:, 4:]
    assert ((profile - 1).abs() < 1e-4).logical_or(profile == 0).all()
    assert not p[-1, :, 4:].any()  # who had nothing has no profile


def test_the_top_of_the_mixture_is_that_of_all_items(components: InterestComponents) -> None:
    random = np.random.default_rng(0)
    shares = torch.from_numpy(random.dirichlet(np.ones(len(COMPONENTS)), (USERS, 3))).float()
    tops = InterestTops(
        components._candidates, PopularInterest(), stored_items(ROWS[0]), 15, 3, "seen" in (ROWS[0].dtype.names or ())
    )
    tops.add(components._block, None, slice(USERS))
    tops.finish()
    item, p = tops.items(shares)  # twice as many are half of all items, and all that count
    mixed = torch.einsum("pne,phe->phn", all_items(components), shares)
    expected, _ = mixed.topk(15, 2)
    torch.testing.assert_close(p, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(mixed.gather(2, item) * (item > 0), p, rtol=1e-4, atol=1e-6)
    for row in item.flatten(0, 1).tolist():
        named = [number for number in row if number]
        assert len(named) == len(set(named))
    category, category_p = tops.top_categories(shares)
    of_all = torch.einsum("pec,phe->phc", components.of_categories(), shares)
    torch.testing.assert_close(category_p, of_all.topk(3, 2)[0], rtol=1e-4, atol=1e-6)
    assert category.shape == (USERS, 3, 3)


def test_categories_are_those_of_the_items(components: InterestComponents) -> None:
    p = components.of_categories()  # [p, E, C]
    matrix = components._candidates.category_matrix
    following = all_items(components)[:, :, 0] @ matrix.T
    torch.testing.assert_close(p[:, 0], following, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(p[:-1].sum(2), torch.ones(USERS - 1, len(COMPONENTS)), rtol=1e-3, atol=1e-3)
    assert not p[-1, 4:].any()
