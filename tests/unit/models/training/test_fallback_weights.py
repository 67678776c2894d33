from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.user_state import new_user_states
from models.errors import LearningError
from models.inference.engine import Engine
from models.network.weights import Weights
from models.training.fallback_weights import MAX_REFUSED_STEPS
from models.training.online import OnlineLearner
from tests.unit.models.circling_users import circling_vocabulary, sequence

MODEL = ModelConfig(embedding_dim=16, hidden_size=16, history_length=8, experts=False, seed=3, device="cpu")
BATCH = sequence(10, 5, 20)


def unusable(weights: Weights) -> Weights:
    """Finite weights whose loss is not."""
    tensors = {name: tensor.clone() for name, tensor in weights.tensors.items()}
    tensors["fusion.mix.bias"][:] = 3e38
    tensors["item"][:] *= 1e10
    return replace(weights, tensors=tensors)


class Learning:
    """A learner that learns the same events again and again."""

    def __init__(self) -> None:
        items = circling_vocabulary()
        self.learner = OnlineLearner(MODEL, LearnerConfig(), items)
        self._rows: NDArray[np.void] = Engine(MODEL, items).step(BATCH, new_user_states(MODEL, 10)).rows

    def step(self) -> bool:
        """Whether the step was taken."""
        self.learner.observe(self._rows, np.bincount(BATCH.user, minlength=len(self._rows)))
        result = self.learner.train_step()
        assert result is not None
        return not result.skipped

    def diverge(self) -> None:
        """What a step does whose weights stay finite."""
        self.learner._network.load(unusable(self.learner._network.snapshot(0)))

    def refuse(self, steps: int) -> None:
        assert [self.step() for _ in range(steps)] == [False] * steps


def test_events_of_a_refused_step_are_not_replayed() -> None:
    learning = Learning()
    usable = learning.learner.weights()
    learning.learner.restore(unusable(usable))
    learning.refuse(1)
    assert len(learning.learner._replay_buffer) == 0
    learning.learner.restore(usable)
    assert learning.step()
    assert len(learning.learner._replay_buffer) == 10


def test_after_many_refused_steps_learning_goes_back_to_earlier_weights(caplog: pytest.LogCaptureFixture) -> None:
    learning = Learning()
    initial = learning.learner.weights()
    assert learning.step()
    learning.diverge()
    learning.refuse(MAX_REFUSED_STEPS - 1)
    assert not caplog.records
    learning.refuse(1)
    (record,) = caplog.records
    assert "goes back to the weights of step 0" in record.message
    after = learning.learner.weights()
    assert after.version == 2
    assert all(torch.equal(tensor, initial.tensors[name]) for name, tensor in after.tensors.items())
    assert learning.step()


def test_steps_that_are_refused_again_are_an_error() -> None:
    learning = Learning()
    learning.step()
    learning.diverge()
    learning.refuse(MAX_REFUSED_STEPS)
    assert learning.step()
    learning.diverge()
    learning.refuse(MAX_REFUSED_STEPS - 1)
    with pytest.raises(LearningError, match=r"again after .* lower learning\.lr"):
        learning.step()


def test_learning_may_go_back_again_once_it_has_gone_on_for_long() -> None:
    learning = Learning()
    learning.step()
    learning.diverge()
    learning.refuse(MAX_REFUSED_STEPS)
    assert [learning.step() for _ in range(101)] == [True] * 101
    learning.diverge()
    learning.refuse(MAX_REFUSED_STEPS)
    assert learning.step()


def test_weights_that_are_refused_from_the_start_are_an_error() -> None:
    learning = Learning()
    learning.learner.restore(unusable(learning.learner.weights()))
    learning.refuse(MAX_REFUSED_STEPS - 1)
    with pytest.raises(LearningError, match=r"first 20 optimizer steps .* older one"):
        learning.step()
