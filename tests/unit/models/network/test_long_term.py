import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.config import ModelConfig
from models.network.long_term import LongTerm

_HISTORY, _WIDTH, _HIDDEN = 4, 3, 5


def _branch() -> LongTerm:
    torch.manual_seed(1)
    return LongTerm(ModelConfig(embedding_dim=_WIDTH, hidden_size=_HIDDEN, history_length=_HISTORY))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _by_formula(branch: LongTerm, events: Tensor) -> Tensor:
    """Of one user's events [n, D], one after the other."""
    most = torch.zeros(_HIDDEN)
    for event in events:
        most = torch.maximum(most, torch.relu(branch.convolution.weight @ event + branch.convolution.bias))
    return branch.dense.weight @ most + branch.dense.bias


def test_windows_follow_the_formula_and_ignore_absent_events() -> None:
    branch, window = _branch(), _random(3, _HISTORY, _WIDTH)
    valid = torch.ones(3, _HISTORY, dtype=torch.bool)
    valid[1, 2:], valid[2] = False, False
    long_term = branch.step(window, valid)
    for row, length in enumerate((4, 2, 0)):
        torch.testing.assert_close(long_term[row], _by_formula(branch, window[row, :length]))
    torch.testing.assert_close(long_term[2], branch.initial(window))


@given(st.permutations(range(_HISTORY)))
@settings(max_examples=24, deadline=None)
def test_the_order_of_events_does_not_matter(order: list[int]) -> None:
    branch, window = _branch(), _random(2, _HISTORY, _WIDTH)
    valid = torch.from_numpy(np.array([[True] * _HISTORY, [True, True, False, False]]))
    torch.testing.assert_close(branch.step(window[:, order], valid[:, order]), branch.step(window, valid))


def test_sequences_pool_as_each_event_over_its_history() -> None:
    branch, x = _branch(), _random(2, 9, _WIDTH)
    after = branch(x)
    for event in range(9):
        for row in range(2):
            history = x[row, max(0, event + 1 - _HISTORY) : event + 1]
            torch.testing.assert_close(after[row, event], _by_formula(branch, history))


def test_every_parameter_gets_a_gradient() -> None:
    branch = _branch()
    branch(_random(2, 9, _WIDTH)).square().sum().backward()
    for parameter in branch.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
