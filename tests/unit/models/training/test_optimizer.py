import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.training.optimizer import Optimizer, OptimizerName, RowGradient

_EVERY = slice(None)


@pytest.mark.parametrize(("name", "library_of"), [("adam", torch.optim.Adam), ("adagrad", torch.optim.Adagrad)])
def test_steps_are_those_of_the_library(name: OptimizerName, library_of: Callable[..., torch.optim.Optimizer]) -> None:
    random = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(6, 3, generator=random), torch.randn(10, 6, 3, generator=random)
    ours, theirs = start.clone(), start.clone().requires_grad_()
    optimizer, library = Optimizer(name, clip=5.0), library_of([theirs], lr=0.01)
    for gradient in gradients:
        assert optimizer.step([RowGradient("p", ours, gradient, _EVERY)], rate=0.01)
        theirs.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([theirs], 5.0)
        library.step()
    torch.testing.assert_close(ours, theirs.detach())


@pytest.mark.parametrize("name", ["adam", "adagrad"])
def test_state_is_all_there_is(name: OptimizerName) -> None:
    random = torch.Generator().manual_seed(0)
    gradients = torch.randn(6, 4, 2, generator=random)
    ours, theirs = torch.ones(4, 2), torch.ones(4, 2)
    first, second = Optimizer(name, clip=5.0), Optimizer(name, clip=5.0)
    for gradient in gradients[:3]:
        for table, optimizer in ((ours, first), (theirs, second)):
            optimizer.step([RowGradient("p", table, gradient, _EVERY)], rate=0.1)
    again = Optimizer(name, clip=5.0)
    again.restore(first.state(), torch.device("cpu"))
    for gradient in gradients[3:]:
        again.step([RowGradient("p", ours, gradient, _EVERY)], rate=0.1)
        second.step([RowGradient("p", theirs, gradient, _EVERY)], rate=0.1)
    assert torch.equal(ours, theirs)


def test_untouched_rows_stay_as_they_are() -> None:
    table = torch.ones(5, 2)
    adam = Optimizer("adam", clip=5.0)
    rows = torch.tensor([1, 3])
    for _ in range(3):
        adam.step([RowGradient("table", table, torch.ones(2, 2), rows)], rate=0.1)
    assert (table[[0, 2, 4]] == 1).all()
    assert (table[rows] < 0.8).all()


def test_moments_follow_a_table_that_grows() -> None:
    adam, grown = Optimizer("adam", clip=5.0), torch.ones(4, 1)
    small = torch.ones(2, 1)
    adam.step([RowGradient("table", small, torch.ones(2, 1), _EVERY)], rate=0.1)
    adam.step([RowGradient("table", grown, torch.tensor([[1.0], [1.0], [1.0], [1.0]]), _EVERY)], rate=0.1)
    assert grown[0] < grown[3] < 1  # the second step in one direction is longer than a first one at this age


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_gradient_row_gradients_nothing(bad: float) -> None:
    good, other = torch.ones(3), torch.ones(2)
    adam, control = Optimizer("adam", clip=5.0), Optimizer("adam", clip=5.0)
    same, twin = good.clone(), other.clone()

    def row_gradients(a: Tensor, b: Tensor, gradient: float) -> list[RowGradient]:
        return [RowGradient("a", a, torch.ones(3), _EVERY), RowGradient("b", b, torch.tensor([1.0, gradient]), _EVERY)]

    adam.step(row_gradients(good, other, 1.0), rate=0.1)
    control.step(row_gradients(same, twin, 1.0), rate=0.1)
    assert not adam.step(row_gradients(good, other, bad), rate=0.1)
    assert torch.equal(good, same)
    adam.step(row_gradients(good, other, 2.0), rate=0.1)
    control.step(row_gradients(same, twin, 2.0), rate=0.1)
    assert torch.equal(good, same)
    assert torch.equal(other, twin)


def test_bad_new_value_row_gradients_nothing() -> None:
    fine, huge = torch.ones(1), torch.tensor([-3.4e38])
    adam = Optimizer("adam", clip=5.0)
    row_gradients = [RowGradient("fine", fine, torch.ones(1), _EVERY), RowGradient("huge", huge, torch.ones(1), _EVERY)]
    assert not adam.step(row_gradients, rate=1e38)
    assert fine.item() == 1
    assert adam.step(row_gradients, rate=0.5)
    assert fine.item() == pytest.approx(0.5)
