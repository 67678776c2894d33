import pytest
import torch
from torch import Tensor

from models.config import ModelConfig
from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.training.ema import SharedWeightsEMA


@pytest.fixture
def network() -> InterestNetwork:
    return InterestNetwork(ModelConfig(embedding_dim=8, hidden_size=8, history_length=5, device="cpu"))


def fill(network: InterestNetwork, value: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)


def averaged(ema: SharedWeightsEMA) -> Tensor:
    return ema.tensors()["gap"][0, 0]


def test_only_shared_weights_are_averaged(network: InterestNetwork) -> None:
    names = {name for name, _ in network.named_parameters()}
    assert set(SharedWeightsEMA(network).tensors()) == names - set(ITEM_TABLES)


def test_the_average_of_equal_weights_is_these_weights(network: InterestNetwork) -> None:
    ema = SharedWeightsEMA(network)
    for _ in range(50):
        ema.update()
    for name, tensor in ema.tensors().items():
        torch.testing.assert_close(tensor, network.get_parameter(name).detach())


def test_the_first_step_is_copied_and_the_next_ones_decay_faster_than_later_ones(network: InterestNetwork) -> None:
    ema = SharedWeightsEMA(network)
    fill(network, 0.0)
    ema.update()
    assert averaged(ema) == 0
    fill(network, 1.0)
    expected = 0.0
    for step in range(2, 21):
        ema.update()
        decay = (1 + step) / (10 + step)
        expected = decay * expected + 1 - decay
        torch.testing.assert_close(averaged(ema), torch.tensor(expected))
    assert expected > 0.9999


def test_after_many_steps_the_decay_is_98_percent(network: InterestNetwork) -> None:
    fill(network, 0.0)
    ema = SharedWeightsEMA(network, step=10_000)
    fill(network, 1.0)
    for _ in range(10):
        ema.update()
    torch.testing.assert_close(averaged(ema), torch.tensor(1 - 0.98**10))


def test_later_steps_change_neither_copies_nor_the_network(network: InterestNetwork) -> None:
    ema = SharedWeightsEMA(network)
    fill(network, 0.0)
    ema.update()
    tensors = ema.tensors()
    fill(network, 1.0)
    ema.update()
    assert tensors["gap"].sum() == 0
    assert (network.gap == 1).all()
