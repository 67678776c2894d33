import logging
from typing import Any

import numpy as np
import pytest
import torch

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.device import _automatic_device as automatic_device
from models.device import compute_device, explain_out_of_memory
from models.errors import DeviceMemoryError
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.training.online import OnlineLearner

BATCH = EventBatch(np.arange(4), np.array([1, 2, 3, 4]), np.zeros(4, np.int64), np.full(4, 60_000))


def run_out_of_memory(*_: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1 GiB free.")


def test_a_micro_batch_too_large_for_the_device_names_the_settings(
    config: ModelConfig, items: ItemVocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 4)
    monkeypatch.setattr(InterestNetwork, "embed", run_out_of_memory)
    calls = (
        lambda: engine.step(BATCH, rows),
        lambda: engine.replay(BATCH, rows),
        lambda: engine.score(BATCH, rows),
    )
    for call in calls:
        with pytest.raises(DeviceMemoryError, match=r"worker\.step_max_events") as raised:
            call()
        for name in ("model.device", "items.capacity", "CUDA out of memory"):
            assert name in str(raised.value)


def test_a_network_too_large_for_the_device_names_the_settings(
    config: ModelConfig, items: ItemVocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InterestNetwork, "to", run_out_of_memory)
    with pytest.raises(DeviceMemoryError, match=r"items\.capacity"):
        Engine(config, items)


def test_an_optimizer_step_too_large_for_the_device_names_the_settings(
    config: ModelConfig, items: ItemVocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    step = engine.step(BATCH, new_user_states(config, 4))
    learner.observe(step.rows, step.new_events)
    monkeypatch.setattr(InterestNetwork, "embed", run_out_of_memory)
    with pytest.raises(DeviceMemoryError, match=r"learning\.events_per_step"):
        learner.train_step()


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="device-side assert"), explain_out_of_memory("lower something"):
        raise RuntimeError("CUDA error: device-side assert triggered")


def test_auto_logs_which_device_it_chose(caplog: pytest.LogCaptureFixture) -> None:
    automatic_device.cache_clear()
    with caplog.at_level(logging.INFO):
        chosen = compute_device(ModelConfig(device="auto"))
        compute_device(ModelConfig(device="auto"))
    (message,) = [record.getMessage() for record in caplog.records if "model.device" in record.getMessage()]
    assert f"model.device = auto: {chosen.type}" in message
