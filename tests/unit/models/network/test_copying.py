from dataclasses import replace

import numpy as np
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.copying import Copying
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from tests.unit.models.sequences import tensors_of


def test_shares_are_those_of_the_formula_and_sum_to_the_gate() -> None:
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5)
    copying, random = Copying(config), torch.Generator().manual_seed(0)
    h, window = torch.randn(3, 12, generator=random), torch.randn(3, 5, 8, generator=random)
    fused = torch.randn(3, 28, generator=random)
    repeatable = torch.ones(3, 5, dtype=torch.bool)
    repeatable[1, 2:], repeatable[2] = False, False
    share = copying.step(h, window, repeatable, fused)
    score = (copying.key(window) * copying.query(h).unsqueeze(1)).sum(2) / 8**0.5 + copying.lag
    gate = torch.sigmoid(copying.gate(fused))
    torch.testing.assert_close(share[:2], gate[:2] * score[:2].masked_fill(~repeatable[:2], -torch.inf).softmax(1))
    assert not share[2].any()


def test_sequence_form_equals_the_incremental_form(items: ItemVocabulary) -> None:
    """The copy path in training, against the one from stored state and history."""
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, experts=False, device="cpu")
    network, engine = InterestNetwork(config), Engine(config, items, top_items=30)
    generator = torch.Generator().manual_seed(1)
    snapshot = network.snapshot(1)
    weights = Weights(
        1, {name: t + 0.3 * torch.randn(t.shape, generator=generator) for name, t in snapshot.tensors.items()}
    )
    network.load(weights)
    engine.update(weights)
    item = np.array([3, 7, 3, 0, 9])
    batch = EventBatch(np.zeros(5, np.int64), item, np.ones(5, np.int64), np.zeros(5, np.int64))
    predictions = engine.step(batch, new_user_states(config, 1)).predictions
    gap = np.array([[0, 1, 1, 1, 1]])
    output = network(network.item, tensors_of(item[None], np.ones((1, 5), np.int64), gap))
    assert output.copy_score is not None
    assert output.gate is not None
    score = (output.interest[0, 5] @ network.item.T + network.item_bias)[:31]
    score[0] = -torch.inf
    gate = output.gate[0, 5].sigmoid()
    p = (1 - gate) * score.softmax(0)
    again = output.copy_score[0, 5].masked_fill(torch.from_numpy(item == 0), -torch.inf).softmax(0)
    p.index_add_(0, torch.from_numpy(item), gate * again)
    share = torch.zeros(31)
    share[torch.from_numpy(predictions.item[0])] = torch.from_numpy(predictions.item_p[0])
    torch.testing.assert_close(share, p.detach(), rtol=5e-3, atol=1e-4)


def test_forgotten_items_are_not_repeated(items: ItemVocabulary) -> None:
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu")
    engine = Engine(config, items, top_items=30)
    items.forget("i3")
    batch = EventBatch(np.zeros(3, np.int64), np.array([4, 4, 4]), np.ones(3, np.int64), np.arange(3) * 1000)
    predictions = engine.step(batch, new_user_states(config, 1)).predictions
    assert 4 not in predictions.item
    np.testing.assert_allclose(predictions.item_p.sum(1) + predictions.other_p, 1, atol=1e-5)


def test_only_a_network_that_allows_repeats_has_the_copy_path() -> None:
    with_path = InterestNetwork(ModelConfig(embedding_dim=8, hidden_size=12, history_length=5))
    without = InterestNetwork(replace(with_path.config, allow_repeats=False))
    assert without.copying is None
    for name, tensor in without.snapshot(0).tensors.items():
        assert torch.equal(tensor, with_path.snapshot(0).tensors[name])
