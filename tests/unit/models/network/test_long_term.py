import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.config import ModelConfig
from models.network.long_term import LongTerm

_RING, _WIDTH, _HIDDEN = 4, 3, 5


def _branch() -> LongTerm:
    torch.manual_seed(1)
    return LongTerm(ModelConfig(embedding_dim=_WIDTH, hidden_size=_HIDDEN, history_length=_RING))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _by_hand(branch: LongTerm, events: Tensor) -> Tensor:
    """Of one user's events [n, D], one after the other."""
    most = torch.zeros(_HIDDEN)
    for event in events:
        most = torch.maximum(most, torch.relu(branch.convolution.weight @ event + branch.convolution.bias))
    return branch.dense.weight @ most + branch.dense.bias


def test_a_window_says_what_the_formula_does_and_hides_what_is_not_there() -> None:
    branch, window = _branch(), _random(3, _RING, _WIDTH)
    valid = torch.ones(3, _RING, dtype=torch.bool)
    valid[1, 2:], valid[2] = False, False
    found = branch.read(window, valid)
    for row, length in enumerate((4, 2, 0)):
        torch.testing.assert_close(found[row], _by_hand(branch, window[row, :length]))
    torch.testing.assert_close(found[2], branch.before(window))


@given(st.permutations(range(_RING)))
@settings(max_examples=24, deadline=None)
def test_the_order_of_events_says_nothing(order: list[int]) -> None:
    branch, window = _branch(), _random(2, _RING, _WIDTH)
    valid = torch.from_numpy(np.array([[True] * _RING, [True, True, False, False]]))
    torch.testing.assert_close(branch.read(window[:, order], valid[:, order]), branch.read(window, valid))


def test_whole_windows_say_after_each_step_what_its_ring_says() -> None:
    branch, x = _branch(), _random(2, 9, _WIDTH)
    along = branch.along(x)
    for step in range(9):
        for row in range(2):
            events = x[row, max(0, step + 1 - _RING) : step + 1]
            torch.testing.assert_close(along[row, step], _by_hand(branch, events))


def test_every_part_learns() -> None:
    branch = _branch()
    branch.along(_random(2, 9, _WIDTH)).square().sum().backward()  # type: ignore[no-untyped-call]  # torch has no types for it
    for parameter in branch.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
