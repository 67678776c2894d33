import os
import platform
import subprocess
import sys

import pytest
import torch

from models.config import ModelConfig
from models.device import compute_device, require_dtype, set_compute_threads

_REFUSED = """
from models.config import LearnerConfig, ModelConfig
from models.errors import UnsupportedDtypeError
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.online import OnlineLearner

config, items = ModelConfig(dtype="bfloat16", device="cpu"), ItemVocabulary(10)
for make in (lambda: Engine(config, items), lambda: OnlineLearner(config, LearnerConfig(), items)):
    try:
        make()
    except UnsupportedDtypeError as error:
        print(error)
"""


def test_named_device_is_used() -> None:
    assert compute_device(ModelConfig(device="cpu")) == torch.device("cpu")


def test_auto_is_the_cpu_where_there_is_no_cuda() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert compute_device(ModelConfig(device="auto")) == torch.device("cpu")


@pytest.mark.cuda
def test_auto_is_cuda_where_there_is_one(device: str) -> None:
    assert compute_device(ModelConfig(device="auto")).type == device or device == "cpu"


def test_naming_the_device_leaves_the_threads_alone() -> None:
    compute_device(ModelConfig(threads=2))
    assert torch.get_num_threads() == 1
    set_compute_threads(ModelConfig(threads=2))
    assert torch.get_num_threads() == 2


def test_float32_is_computed_everywhere() -> None:
    require_dtype(ModelConfig(dtype="float32", device="cpu"))


@pytest.mark.bfloat16
def test_bfloat16_is_accepted_where_an_lstm_computes_in_it() -> None:
    require_dtype(ModelConfig(dtype="bfloat16", device="cpu"))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variable limits x86 processors only")
def test_engine_and_learner_refuse_bfloat16_on_a_cpu_without_avx512() -> None:
    limited = subprocess.run(
        [sys.executable, "-c", _REFUSED],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    refusals = limited.stdout.splitlines()
    assert len(refusals) == 2
    for refusal in refusals:
        assert "model.dtype = 'bfloat16' cannot be computed on the device 'cpu'" in refusal
        assert "set model.dtype = 'float32'" in refusal
