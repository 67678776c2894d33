import pytest
import torch

from models.config import ModelConfig
from models.device import device_of


def test_named_device_is_taken() -> None:
    assert device_of(ModelConfig(device="cpu")) == torch.device("cpu")


def test_auto_is_the_cpu_where_there_is_no_cuda() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert device_of(ModelConfig(device="auto")) == torch.device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_auto_is_cuda_where_there_is_one() -> None:
    assert device_of(ModelConfig(device="auto")).type == "cuda"
