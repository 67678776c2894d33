import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.user_state import Windows
from models.errors import WeightsError
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from tests.unit.models.sequences import features_of, tensors_of


def test_new_rows_depend_on_seed_and_index_alone(config: ModelConfig) -> None:
    at_once, grown = InterestNetwork(config, 5000), InterestNetwork(config, 10)
    for rows in (1024, 1025, 3000, 5000):
        grown.grow(rows)
    assert at_once.num_items == grown.num_items == 8192
    assert torch.equal(at_once.item, grown.item)
    assert not torch.equal(at_once.item[:1024], at_once.item[1024:2048])
    other = InterestNetwork(ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, seed=4))
    assert not torch.equal(at_once.item[:1024], other.item)


def test_growth_keeps_trained_rows(config: ModelConfig) -> None:
    network = InterestNetwork(config)
    with torch.no_grad():
        network.item[7], network.item_bias[7] = 1.5, 2.5
    network.grow(2000)
    assert (network.item[7] == 1.5).all()
    assert network.item_bias[7] == 2.5
    assert network.item_bias[1024:].abs().sum() == 0


def test_weights_of_any_number_of_rows_load(config: ModelConfig) -> None:
    source = InterestNetwork(config)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1)
    weights = source.snapshot(3)
    few = Weights(3, {name: t[:11] if name in ("item", "item_bias") else t for name, t in weights.tensors.items()})
    network = InterestNetwork(config, 2048)
    network.load(few)
    assert network.num_items == 2048
    assert torch.equal(network.item[:11], source.item[:11])
    assert torch.equal(network.item[11:], InterestNetwork(config, 2048).item[11:])
    assert torch.equal(*(model.get_parameter("attention.key.weight") for model in (network, source)))
    network.load(InterestNetwork(config, 4096).snapshot(4))
    assert network.num_items == 4096


def test_weights_of_another_shape_are_refused(config: ModelConfig) -> None:
    other = InterestNetwork(
        ModelConfig(embedding_dim=16, hidden_size=12, history_length=5, allow_repeats=False)
    ).snapshot(1)
    with pytest.raises(WeightsError, match="other settings of the model"):
        InterestNetwork(config).load(other)
    lacking = Weights(1, {"item": other.tensors["item"]})
    with pytest.raises(WeightsError, match="tensors"):
        InterestNetwork(config).load(lacking)


def test_snapshot_does_not_follow_the_network(config: ModelConfig) -> None:
    network = InterestNetwork(config)
    snapshot = network.snapshot(1)
    before = snapshot.tensors["fusion.mix.weight"].clone()
    with torch.no_grad():
        network.get_parameter("fusion.mix.weight").zero_()
    assert torch.equal(snapshot.tensors["fusion.mix.weight"], before)
    assert snapshot.finite()


def test_initial_weights_follow_the_seed(config: ModelConfig) -> None:
    torch.manual_seed(1)
    first = InterestNetwork(config).snapshot(0)
    torch.manual_seed(2)
    second = InterestNetwork(config).snapshot(0)
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_interest_does_not_see_the_future(config: ModelConfig) -> None:
    network = InterestNetwork(config)
    item = np.random.default_rng(0).integers(1, 30, (2, 5))
    changed = item.copy()
    changed[:, 3] += 1
    first, second = (network(network.item, tensors_of(steps)) for steps in (item, changed))
    assert torch.equal(first.interest[:, :4], second.interest[:, :4])
    assert not torch.allclose(first.interest[:, 4:], second.interest[:, 4:])


def test_attention_equals_the_one_with_projected_keys_and_values(config: ModelConfig) -> None:
    """The rearranged attention is the one of the formula, keys and values projected one by one."""
    network = InterestNetwork(config)
    random = torch.Generator().manual_seed(0)
    h, window = torch.randn(3, 12, generator=random), torch.randn(3, 5, 8, generator=random)
    attention = network.attention
    assert attention is not None
    with torch.no_grad():
        attention.lag.copy_(torch.randn(5, generator=random))
    valid = torch.ones(3, 5, dtype=torch.bool)
    valid[1, 2:] = False
    output = network.step(h, window, Windows(features_of(np.ones((3, 5), np.int64)), valid.numpy()), valid)
    keys, values = attention.key(window), attention.value(window)
    score = (keys * attention.query(h).unsqueeze(1)).sum(2) / 8**0.5 + attention.lag
    expected = score.masked_fill(~valid, -torch.inf).softmax(1)
    torch.testing.assert_close(output.attention, expected)
    value = (expected.unsqueeze(2) * values).sum(1)
    torch.testing.assert_close(output.interest, network.fusion(torch.cat([h, value, window[:, 0]], 1), None))
