import math
import subprocess
import sys

import pytest
import torch

from models.config import ModelConfig
from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.training.optimizer import NetworkOptimizer, OptimizerName, RowGradient

CONFIG = ModelConfig(embedding_dim=8, hidden_size=8, history_length=5, device="cpu")
NAMES: tuple[OptimizerName, ...] = ("adam", "adagrad")
ROWS = torch.tensor([1, 3, 700])


def random_gradients(network: InterestNetwork, seed: int, scale: float = 1.0) -> list[RowGradient]:
    """For every shared parameter and for ROWS of the item tables."""
    generator = torch.Generator().manual_seed(seed)
    gradients = []
    for name, parameter in network.named_parameters():
        rows = ROWS if name in ITEM_TABLES else None
        shape = (len(ROWS), *parameter.shape[1:]) if name in ITEM_TABLES else parameter.shape
        gradients.append(RowGradient(name, torch.randn(shape, generator=generator) * scale, rows))
    return gradients


def copied(network: InterestNetwork) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


_LEARN = """
import sys
from tests.unit.models.training.test_optimizer import CONFIG, NAMES, InterestNetwork, NetworkOptimizer, random_gradients

for name in NAMES:
    optimizer = NetworkOptimizer(network := InterestNetwork(CONFIG), name, max_grad_norm=5.0)
    assert optimizer.step(random_gradients(network, 0), lr=0.01)
    optimizer.restore(optimizer.state())
assert "torch._dynamo" not in sys.modules
"""


def test_the_compiler_of_torch_is_not_imported() -> None:
    subprocess.run([sys.executable, "-c", _LEARN], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_rows_with_gradients_change_as_if_all_others_had_gradient_zero(name: OptimizerName) -> None:
    network = InterestNetwork(CONFIG)
    dense = [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]
    optimizer = NetworkOptimizer(network, name, max_grad_norm=5.0)
    library = torch.optim.Adam(dense, lr=0.01) if name == "adam" else torch.optim.Adagrad(dense, lr=0.01)
    for seed in range(10):
        gradients = random_gradients(network, seed)
        assert optimizer.step(gradients, lr=0.01)
        for parameter, gradient in zip(dense, gradients, strict=True):
            parameter.grad = torch.zeros_like(parameter)
            parameter.grad[slice(None) if gradient.rows is None else gradient.rows] = gradient.values
        torch.nn.utils.clip_grad_norm_(dense, 5.0)
        library.step()
    for (name_, parameter), expected in zip(network.named_parameters(), dense, strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-4, atol=1e-6, msg=name_)


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_gradient_do_not_move(name: OptimizerName) -> None:
    network = InterestNetwork(CONFIG)
    before, optimizer = copied(network), NetworkOptimizer(network, name, max_grad_norm=5.0)
    first = random_gradients(network, 0)
    optimizer.step(first, lr=0.1)
    between = copied(network)
    others = [RowGradient(g.name, g.values[:1], g.rows[:1]) if g.rows is not None else g for g in first]
    optimizer.step(others, lr=0.1)
    after = copied(network)
    for table in ITEM_TABLES:
        untouched = torch.ones(network.num_items, dtype=torch.bool)
        untouched[ROWS] = False
        assert torch.equal(after[table][untouched], before[table][untouched])
        assert torch.equal(after[table][ROWS[1:]], between[table][ROWS[1:]])
        assert not torch.equal(after[table][ROWS[:1]], between[table][ROWS[:1]])


@pytest.mark.parametrize("name", NAMES)
def test_growth_of_the_item_tables_keeps_the_state(name: OptimizerName) -> None:
    small, large = InterestNetwork(CONFIG), InterestNetwork(CONFIG)
    large.grow(3000)
    optimizers = [NetworkOptimizer(network, name, max_grad_norm=5.0) for network in (small, large)]
    for seed in range(4):
        if seed == 2:
            small.grow(3000)
        for network, optimizer in zip((small, large), optimizers, strict=True):
            assert optimizer.step(random_gradients(network, seed), lr=0.1)
    for parameter, expected in zip(small.parameters(), large.parameters(), strict=True):
        assert torch.equal(parameter, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_optimizer_continues_bit_for_bit(name: OptimizerName) -> None:
    network = InterestNetwork(CONFIG)
    optimizer = NetworkOptimizer(network, name, max_grad_norm=5.0)
    for seed in range(3):
        optimizer.step(random_gradients(network, seed), lr=0.1)
    other = InterestNetwork(CONFIG)
    other.load(network.snapshot(0))
    restored = NetworkOptimizer(other, name, max_grad_norm=5.0)
    restored.restore(optimizer.state())
    for seed in range(3, 6):
        optimizer.step(random_gradients(network, seed), lr=0.1)
        restored.step(random_gradients(other, seed), lr=0.1)
    for parameter, expected in zip(other.parameters(), network.parameters(), strict=True):
        assert torch.equal(parameter, expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(name: OptimizerName, bad: float) -> None:
    network, control = InterestNetwork(CONFIG), InterestNetwork(CONFIG)
    optimizers = [NetworkOptimizer(network, name, 5.0), NetworkOptimizer(control, name, 5.0)]
    for parameters, optimizer in zip((network, control), optimizers, strict=True):
        assert optimizer.step(random_gradients(parameters, 0), lr=0.1)
    gradients = random_gradients(network, 1)
    gradients[-1].values.flatten()[-1] = bad
    assert not optimizers[0].step(gradients, lr=0.1)
    for parameters, optimizer in zip((network, control), optimizers, strict=True):
        assert optimizer.step(random_gradients(parameters, 2), lr=0.1)
    for parameter, expected in zip(network.parameters(), control.parameters(), strict=True):
        assert torch.equal(parameter, expected)


def test_gradients_are_clipped_to_the_norm_of_all_of_them() -> None:
    network, clipped = InterestNetwork(CONFIG), InterestNetwork(CONFIG)
    gradients = random_gradients(network, 0)
    norm = torch.cat([gradient.values.flatten() for gradient in gradients]).norm().item()
    scaled = [RowGradient(g.name, g.values * (2.0 / norm), g.rows) for g in gradients]
    # Of Adagrad's state, as Adam's steps do not depend on the gradient's scale.
    optimizer, other = (NetworkOptimizer(trained, "adagrad", max_grad_norm=2.0) for trained in (network, clipped))
    optimizer.step(gradients, lr=0.1)
    other.step(scaled, lr=0.1)
    expected = other.state()
    for name, value in optimizer.state().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-9)
