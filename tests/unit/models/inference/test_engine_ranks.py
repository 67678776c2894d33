"""Ranks of events among all items, before they are counted."""

import math
from dataclasses import replace

import numpy as np

from models.config import ModelConfig
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from tests.unit.models.random_weights import events, noisy


def test_rank_is_the_place_in_the_prediction_before_the_event(config: ModelConfig, items: ItemVocabulary) -> None:
    config = replace(config, experts=False)  # whose counts each step below would change
    engine = Engine(config, items, top_items=30)
    engine.update(noisy(config))
    rows = engine.step(events([0, 1, 1], [1, 2, 3]), new_user_states(config, 3)).rows
    # The last event of a user leaves the row from which the next event is ranked, in this batch or the next.
    ranks = engine.score(events([0, 0, 0, 1, 2, 2], [4, 5, 6, 7, 8, 0]), rows).rank
    before = (([0], [4], 5), ([0, 0], [4, 5], 6), ([2], [8], None))
    for index, (user, item, target) in zip((1, 2, 5), before, strict=True):
        predictions = engine.step(events(user, item), rows).predictions
        if target is None:
            assert math.isnan(ranks[index])
        else:
            assert predictions.item[0, int(ranks[index]) - 1] == target
    stepped = engine.step(events([0, 0], [4, 5]), rows).rows
    assert engine.score(events([0], [6], [2]), stepped).rank[0] == ranks[2]
    assert np.isfinite(ranks[[0, 3, 4]]).all()


def test_rank_misses_what_is_not_known_yet_or_already_had(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    engine.update(noisy(config))
    ranks = engine.score(events([0, 0, 0, 0], [20, 21, 3, 3]), new_user_states(config, 1), known=20).rank
    assert math.isfinite(ranks[0])
    assert ranks[1] == math.inf
    assert ranks[2] <= 19
    assert ranks[3] == math.inf


def test_ties_take_the_mean_rank(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    weights = InterestNetwork(config).snapshot(1)
    weights.tensors["item"].zero_()
    engine.update(weights)
    assert engine.score(events([0, 0], [1, 2]), new_user_states(config, 1)).rank.tolist() == [15.5, 15]
