"""Device, number type and threads of the computation."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from models.config import ModelConfig
from models.errors import DeviceMemoryError, UnsupportedDtypeError

log = logging.getLogger(__name__)


def compute_device(config: ModelConfig) -> torch.device:
    """The device that `model.device` names; `auto` is cuda where there is one, which is logged once."""
    return _automatic_device() if config.device == "auto" else torch.device(config.device)


@contextmanager
def explain_out_of_memory(advice: str) -> Iterator[None]:
    """DeviceMemoryError with this advice instead of torch's error where the device's memory is used up."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(advice, str(error).partition("\n")[0].partition(". ")[0]) from error


def set_compute_threads(config: ModelConfig) -> None:
    """Let torch use `model.threads` CPU threads per computation, in this thread and those that start later.

    For the whole process: the program that computes calls it once, before it makes a network or a text encoder.
    """
    torch.set_num_threads(config.threads)


def require_dtype(config: ModelConfig) -> None:
    """UnsupportedDtypeError where the device cannot compute an LSTM in `model.dtype`, for inference or training."""
    if config.dtype == "float32":
        return
    device = compute_device(config)
    fault = _bfloat16_fault(device)
    if fault is not None:
        raise UnsupportedDtypeError(config.dtype, str(device), fault)


@cache
def _automatic_device() -> torch.device:
    if torch.cuda.is_available():
        log.info("model.device = auto: cuda (%s)", torch.cuda.get_device_name())
        return torch.device("cuda")
    log.info("model.device = auto: cpu, as there is no CUDA device")
    return torch.device("cpu")


@cache
def _bfloat16_fault(device: torch.device) -> str | None:
    """Why an LSTM cannot be computed in bfloat16, None where it can; found by trying a small one."""
    try:
        x = torch.zeros(1, 2, 8, device=device)  # [B, T, D]
        with torch.inference_mode():
            torch.nn.LSTM(8, 8, batch_first=True).to(device, torch.bfloat16)(x.bfloat16())
        # Training computes in bfloat16 with parameters in float32, which takes another path in oneDNN.
        with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16):
            lstm = torch.nn.LSTM(8, 8, batch_first=True).to(device)
            torch.autograd.grad(lstm(x)[0].float().sum(), list(lstm.parameters()))
    except RuntimeError as error:
        return str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
    return None
