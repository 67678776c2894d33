"""Learning rate of the online learner."""

from typing import Final

_INITIAL_FACTOR: Final = 12.0
_DECAY_STEPS: Final = 100


def online_learning_rate(lr: float, step: int) -> float:
    """The rate at this step: at first raised by a factor, by half of it after some steps, as initial weights need."""
    return lr * (1 + (_INITIAL_FACTOR - 1) / (1 + step / _DECAY_STEPS))
