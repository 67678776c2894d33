"""What only a CUDA device shows; `--device cpu` tries the tests themselves."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoint
from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.online import OnlineLearner

pytestmark = pytest.mark.cuda  # files are found by this: pytest.mark.cuda

_WORKER = """
import sys

import numpy as np

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.online import OnlineLearner

config, items = ModelConfig(device=sys.argv[1]), ItemVocabulary(50)
for number in range(50):
    items.add(f"i{number}")
engine, learner = Engine(config, items), OnlineLearner(config, LearnerConfig(), items)
rows, random = new_user_states(config, 64), np.random.default_rng(int(sys.argv[2]))
for number in range(6):
    batch = EventBatch(np.arange(64), random.integers(1, 51, 64), np.zeros(64, np.int64), np.full(64, 60_000 * number))
    rows = engine.step(batch, rows).rows
    learner.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    learner.train_step()
    engine.update(learner.weights())
print(int(rows["steps"].sum()), learner.weights().finite())
"""


def batch() -> EventBatch:
    return EventBatch(np.arange(4), np.array([1, 2, 3, 4]), np.zeros(4, np.int64), np.full(4, 60_000))


def test_several_workers_compute_on_one_device(device: str) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", _WORKER, device, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(2)
    ]
    outputs = [worker.communicate(timeout=240)[0].strip() for worker in workers]
    assert outputs == [f"{64 * 6} True"] * 2


def test_weights_travel_between_cpu_and_device(
    config: ModelConfig, items: ItemVocabulary, device: str, tmp_path: Path
) -> None:
    on_cpu, on_device = (replace(config, device=name) for name in ("cpu", device))
    for there, back in ((on_device, on_cpu), (on_cpu, on_device)):
        learner, rows = OnlineLearner(there, LearnerConfig(), items), new_user_states(there, 4)
        step = Engine(there, items).step(batch(), rows)
        learner.observe(step.rows, step.new_events)
        assert learner.train_step() is not None
        folder = tmp_path / there.device.replace(":", "-")
        checkpoint.save(folder, learner.weights(), there, items)
        weights = checkpoint.load(folder, back, items)
        assert weights is not None
        assert all(tensor.device.type == "cpu" for tensor in weights.tensors.values())
        other = OnlineLearner(back, LearnerConfig(), items)
        other.restore(weights)
        for name, tensor in other.weights().tensors.items():
            np.testing.assert_array_equal(tensor, learner.weights().tensors[name])


def test_rows_computed_on_one_device_go_on_on_the_other(
    config: ModelConfig, items: ItemVocabulary, device: str
) -> None:
    engines = [Engine(replace(config, device=name), items) for name in ("cpu", device)]
    rows = new_user_states(config, 4)
    for engine in (*engines, *engines):
        rows = engine.step(batch(), rows).rows
    recomputed = engines[0].recompute_states(rows)
    np.testing.assert_allclose(rows["h"], recomputed["h"], atol=5e-3)


def test_a_step_frees_its_memory(config: ModelConfig, items: ItemVocabulary, device: str) -> None:
    if device == "cpu":
        pytest.skip("torch counts no memory of the CPU")
    engine, rows = Engine(replace(config, device=device), items), new_user_states(config, 4)
    used = []
    for _ in range(4):
        rows = engine.step(batch(), rows).rows
        used.append(torch.cuda.memory_allocated())
    assert used[-1] == used[1]
