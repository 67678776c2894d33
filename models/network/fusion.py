"""Fusion of state, attention and last event into one interest vector u.

    linear       u = W_u [h; v; x]
    gate         u = softmax(W_i [h; e]) ⊙ h          e: text of the user's last event
    scaled-gate  u = H softmax(W_i [h; e]) ⊙ h

`gate` as written shrinks h to a share of 1 / H, so that scores hardly move; `scaled-gate` gives it a mean of 1.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.text.sign_codes import BITS


def fused_width(config: ModelConfig) -> int:
    """Numbers in [h; v; x]; a network without attention has no v."""
    return config.hidden_size + (2 if config.attention else 1) * config.embedding_dim


class LinearFusion(nn.Module):
    """u = W_u [h; v; x]."""

    reads_text: ClassVar[bool] = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mix = nn.Linear(fused_width(config), config.embedding_dim)

    def forward(self, fused: Tensor, text: Tensor | None) -> Tensor:
        """Interest u [..., D] of [h; v; x] [..., F]; `text` is not read."""
        u: Tensor = self.mix(fused)
        return u


class GateFusion(nn.Module):
    """u = softmax(W_i [h; e]) ⊙ h."""

    reads_text: ClassVar[bool] = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden_size + BITS, config.hidden_size)
        self._hidden_size = config.hidden_size

    def forward(self, fused: Tensor, text: Tensor | None) -> Tensor:
        """Interest u [..., H] of [h; v; x] [..., F] and the last event's text [..., BITS]; None: no event has text."""
        h = fused[..., : self._hidden_size]  # [..., H]
        e = h.new_zeros(*h.shape[:-1], BITS) if text is None else text.to(h.dtype)
        gate = self.gate(torch.cat([h, e], -1)).softmax(-1)  # [..., H]
        u: Tensor = gate * h
        return u


class ScaledGateFusion(GateFusion):
    """u = H softmax(W_i [h; e]) ⊙ h."""

    def forward(self, fused: Tensor, text: Tensor | None) -> Tensor:
        """As `GateFusion`, times H."""
        return super().forward(fused, text) * float(self._hidden_size)


def fusion_of(config: ModelConfig) -> LinearFusion | GateFusion:
    """The fusion that `model.fusion` names."""
    match config.fusion:
        case "linear":
            return LinearFusion(config)
        case "gate":
            return GateFusion(config)
        case "scaled-gate":
            return ScaledGateFusion(config)
