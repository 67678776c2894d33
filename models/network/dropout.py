"""Inverted dropout with a random generator of its own, so that training repeats by seed."""

import torch
from torch import Tensor


class Dropout:
    """Sets a share of the numbers to zero and scales the others up, so that the expected sum stays."""

    def __init__(self, input_dropout: float, dropout: float, seed: int, device: torch.device) -> None:
        self._input_p, self._fused_p = input_dropout, dropout
        self._generator = torch.Generator(device).manual_seed(seed)
        self._rows: slice | None = None
        self._total_rows = 0

    def of_rows(self, rows: slice, total: int) -> "Dropout":
        """Itself, for tensors with these of `total` rows; what it drops does not depend on which rows are there."""
        self._rows, self._total_rows = rows, total
        return self

    def drop_input(self, x: Tensor) -> Tensor:
        """Dropout of the events' embeddings x."""
        return self._drop(x, self._input_p)

    def drop_fused(self, fused: Tensor) -> Tensor:
        """Dropout of what is computed from them, such as [h; v; x]."""
        return self._drop(fused, self._fused_p)

    def _drop(self, tensor: Tensor, p: float) -> Tensor:
        shape = tensor.shape if self._rows is None else (self._total_rows, *tensor.shape[1:])
        random = torch.rand(shape, generator=self._generator, device=tensor.device)
        mask = (random if self._rows is None else random[self._rows]) >= p
        return tensor * mask / (1 - p)
