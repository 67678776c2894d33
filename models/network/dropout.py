"""Noise that keeps a network from leaning on single numbers while it learns."""

import torch
from torch import Tensor


class Dropout:
    """Noise for training, drawn from a seed of its own; what is kept is scaled up so that sums stay."""

    def __init__(self, of_input: float, of_fused: float, seed: int, device: torch.device) -> None:
        self._shares = of_input, of_fused
        self._generator = torch.Generator(device).manual_seed(seed)

    def of_input(self, x: Tensor) -> Tensor:
        """Inputs x with some numbers left out."""
        return self._drop(x, self._shares[0])

    def of_fused(self, fused: Tensor) -> Tensor:
        """What is made of the inputs, such as [h; v; x], with some numbers left out."""
        return self._drop(fused, self._shares[1])

    def _drop(self, tensor: Tensor, share: float) -> Tensor:
        kept = torch.rand(tensor.shape, generator=self._generator, device=tensor.device) >= share
        return tensor * kept / (1 - share)
