import torch

from models.training.ema import RunningMean


def test_nothing_before_the_first_step() -> None:
    assert RunningMean().tensors() == {}


def test_what_stays_alike_is_its_own_mean() -> None:
    mean, tensor = RunningMean(), torch.arange(6.0).view(2, 3)
    for step in range(1, 50):
        mean.add({"w": tensor}, step)
    torch.testing.assert_close(mean.tensors()["w"], tensor)


def test_a_long_run_forgets_a_fiftieth_per_step() -> None:
    mean = RunningMean()
    mean.add({"w": torch.zeros(1)}, 10_000)
    for step in range(10_001, 10_011):
        mean.add({"w": torch.ones(1)}, step)
    torch.testing.assert_close(mean.tensors()["w"], torch.tensor([1 - 0.98**10]))


def test_the_first_steps_are_forgotten_soon() -> None:
    mean = RunningMean()
    mean.add({"w": torch.zeros(1)}, 1)
    for step in range(2, 21):
        mean.add({"w": torch.ones(1)}, step)
    assert mean.tensors()["w"].item() > 0.9999


def test_later_steps_change_no_copy_and_no_tensor_that_was_given() -> None:
    mean, given = RunningMean(), torch.zeros(3)
    mean.add({"w": given}, 1)
    copy = mean.tensors()["w"]
    mean.add({"w": torch.ones(3)}, 2)
    assert copy.sum() == 0
    assert given.sum() == 0
