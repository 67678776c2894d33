"""How state, attention and the last event become one interest vector.

linear: u = W_u [h; v; x]. gate: u = softmax(W_i [h; e]) ⊙ h, where e is the text of the user's last event; as written
it shrinks h to a share of 1 / H, so that scores hardly move. scaled-gate: the same times H, so that its mean is 1.
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.text.sign_codes import BITS


def fused_width(config: ModelConfig) -> int:
    """Numbers in [h; v; x]; a network without attention has no v."""
    return config.hidden_size + (2 if config.attention else 1) * config.embedding_dim


class LinearFusion(nn.Module):
    """u = W_u [h; v; x]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mix = nn.Linear(fused_width(config), config.embedding_dim)

    def forward(self, fused: Tensor, text: Tensor | None) -> Tensor:
        """Interest u [..., D] of [h; v; x] [..., F]."""
        u: Tensor = self.mix(fused)
        return u


class GateFusion(nn.Module):
    """u = softmax(W_i [h; e]) ⊙ h, times H where `scaled`."""

    def __init__(self, config: ModelConfig, scaled: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden_size + BITS, config.hidden_size)
        self._hidden = config.hidden_size
        self._scale = float(config.hidden_size) if scaled else 1.0

    def forward(self, fused: Tensor, text: Tensor | None) -> Tensor:
        """Interest u [..., H] of [h; v; x] [..., F] and the last event's text [..., BITS]; None: none wrote."""
        h = fused[..., : self._hidden]  # [..., H]
        e = h.new_zeros(*h.shape[:-1], BITS) if text is None else text.to(h.dtype)
        gate = self.gate(torch.cat([h, e], -1)).softmax(-1)  # [..., H]
        u: Tensor = gate * h * self._scale
        return u


def fusion(config: ModelConfig) -> LinearFusion | GateFusion:
    """The configured one."""
    return LinearFusion(config) if config.fusion == "linear" else GateFusion(config, config.fusion == "scaled-gate")
