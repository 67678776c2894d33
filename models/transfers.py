"""Copies between numpy arrays and tensors of a device: all that crosses together is one copy from or to pinned memory.

A copy from pageable memory makes the host wait, and each copy has a latency of its own, whatever its size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def is_host(device: torch.device) -> bool:
    """Whether the host computes on it: then numbers can be read at no cost, and arrays and tensors share memory."""
    return device.type == "cpu"


def to_device(arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
    """The arrays as tensors of the device, copied at once, for which the host does not wait.

    On the CPU they share the arrays' memory.
    """
    if is_host(device):
        return [torch.from_numpy(array) for array in arrays]
    offsets, size = _offsets([(array.itemsize, array.nbytes) for array in arrays])
    buffer = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    packed = buffer.numpy()
    for array, offset in zip(arrays, offsets, strict=True):
        packed[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
    on_device = buffer.to(device, non_blocking=True)
    dtypes = (torch.from_numpy(np.empty(0, array.dtype)).dtype for array in arrays)
    return [
        on_device[offset : offset + array.nbytes].view(dtype).view(array.shape)
        for array, offset, dtype in zip(arrays, offsets, dtypes, strict=True)
    ]


def to_host(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """The tensors, of one device and of types that numpy has, as arrays, copied at once; the host waits for it.

    On the CPU they share the tensors' memory.
    """
    device = tensors[0].device
    if is_host(device):
        return [tensor.numpy() for tensor in tensors]
    offsets, size = _offsets([(tensor.itemsize, tensor.nbytes) for tensor in tensors])
    by_offset = sorted(zip(offsets, [tensor.nbytes for tensor in tensors], range(len(tensors)), strict=True))
    packed = torch.cat([tensors[index].contiguous().view(-1).view(torch.uint8) for _, _, index in by_offset])
    buffer = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    buffer.copy_(packed, non_blocking=True)
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    return [
        buffer[offset : offset + tensor.nbytes].view(tensor.dtype).view(tensor.shape).numpy()
        for tensor, offset in zip(tensors, offsets, strict=True)
    ]


def _offsets(sizes: Sequence[tuple[int, int]]) -> tuple[list[int], int]:
    """Where parts of (bytes per number, bytes) begin, wide numbers first so that all are aligned; and the total."""
    offsets, end = [0] * len(sizes), 0
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index][0]):
        offsets[index], end = end, end + sizes[index][1]
    return offsets, end
