"""The part of the network that says "again": which of the user's last items the next event repeats, and how likely.

The probability of an item is p = (1 - g) p_s + g Σ_j k_j 1[item_j], where

    k = softmax_j(K_c x_j · W_c h_t / √d + c_lag[j])      g = sigmoid(w_g [h_t; v; x_t])
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.network.fusion import fused_width

NEVER = -1e30
"""Score of what cannot be; finite, so that where nothing can be no NaN arises"""

_FADE = 0.3
_GATE_BIAS = -2.0


class Copying(nn.Module):
    """Parameters of the copy path, and its scores."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.query = nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
        self.gate = nn.Linear(fused_width(config), 1)
        self.lag = nn.Parameter(-_FADE * torch.arange(config.history_length))

    def initialise(self) -> None:
        """Begin with few repeats: they cost a new network little where there are none."""
        with torch.no_grad():
            self.gate.bias.fill_(_GATE_BIAS)

    def scores(self, h: Tensor, x: Tensor) -> Tensor:
        """Scores [..., T, J] of copying each of the steps x [..., J, D] in the states h [..., T, H], lags left out."""
        score: Tensor = self.query(h) @ self.key.weight @ x.transpose(-1, -2) * x.shape[-1] ** -0.5
        return score

    def read(self, h: Tensor, window: Tensor, usable: Tensor, fused: Tensor) -> Tensor:
        """[P, K] probability that each step of the windows [P, K, D], newest first, is repeated; sums to g or to 0."""
        score = self.scores(h.unsqueeze(1), window).squeeze(1) + self.lag  # [P, K]
        share = score.masked_fill(~usable, NEVER).float().softmax(1) * usable  # [P, K]
        return share * torch.sigmoid(self.gate(fused).float())
