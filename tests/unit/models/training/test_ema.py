import torch

from models.training.ema import ExponentialMovingAverage


def test_nothing_before_the_first_step() -> None:
    assert ExponentialMovingAverage().tensors() == {}


def test_the_average_of_equal_tensors_is_that_tensor() -> None:
    average, tensor = ExponentialMovingAverage(), torch.arange(6.0).view(2, 3)
    for step in range(1, 50):
        average.update({"w": tensor}, step)
    torch.testing.assert_close(average.tensors()["w"], tensor)


def test_after_many_steps_the_decay_is_98_percent() -> None:
    average = ExponentialMovingAverage()
    average.update({"w": torch.zeros(1)}, 10_000)
    for step in range(10_001, 10_011):
        average.update({"w": torch.ones(1)}, step)
    torch.testing.assert_close(average.tensors()["w"], torch.tensor([1 - 0.98**10]))


def test_the_decay_is_faster_in_the_first_steps() -> None:
    average = ExponentialMovingAverage()
    average.update({"w": torch.zeros(1)}, 1)
    for step in range(2, 21):
        average.update({"w": torch.ones(1)}, step)
    assert average.tensors()["w"].item() > 0.9999


def test_later_steps_change_neither_copies_nor_the_tensors_passed_in() -> None:
    average, given = ExponentialMovingAverage(), torch.zeros(3)
    average.update({"w": given}, 1)
    copy = average.tensors()["w"]
    average.update({"w": torch.ones(3)}, 2)
    assert copy.sum() == 0
    assert given.sum() == 0
