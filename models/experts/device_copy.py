"""Copy of a table of counts on another device, kept current by its changed cells alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.transfers import to_device


class DeviceCopy:
    """Arrays of one shape [rows, ...] on a device. Memory there: as much as the arrays take."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._changed: list[NDArray[np.int64]] = []

    @property
    def exists(self) -> bool:
        """Whether there is one: where predictions are made on the host, never."""
        return bool(self._tensors)

    def mark_changed(self, cell: NDArray[np.int64]) -> None:
        """These cells, by their index in the flattened arrays, have other values since the last `refresh`."""
        if self._tensors:
            self._changed.append(cell)

    def clear(self) -> None:
        """Forget the copy: all cells have changed."""
        self._tensors, self._changed = [], []

    def refresh(self, arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
        """The arrays on the device: whole where they have other rows than the last time, else their changed cells."""
        if not self._tensors or len(self._tensors[0]) != len(arrays[0]):
            self.clear()  # before the new one, so that there are never two
            self._tensors = [torch.from_numpy(array).to(device, copy=True) for array in arrays]
        elif self._changed:
            cell = np.concatenate(self._changed)
            index, *values = to_device([cell, *(array.ravel()[cell] for array in arrays)], device)
            for tensor, value in zip(self._tensors, values, strict=True):
                tensor.view(-1).index_copy_(0, index, value)  # a cell that is named twice has one value
            self._changed = []
        return self._tensors
