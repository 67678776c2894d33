"""Attention over a user's last K steps, from the state of the LSTM.

    a = softmax_j(W_k x_j · W_q h_t / √d + b_lag[j])      v = Σ_j a_j W_v x_j

j counts back from the event itself (lag 0). Keys and values are linear, so W_k is moved to the query (x_j · W_kᵀ W_q h)
and W_v behind the sum: no ring entry is ever projected, neither per event nor per weight version.
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.network.copying import NEVER


class Attention(nn.Module):
    """Parameters of the attention, and its two readings: of single moments, and of whole windows."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.query = nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
        self.value = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.lag = nn.Parameter(torch.zeros(config.history_length))

    def read(self, h: Tensor, window: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [P, K] and v [P, D] of states h [P, H] over windows [P, K, D], newest step first."""
        query = self.query(h) @ self.key.weight  # [P, D]
        score = torch.bmm(window, query.unsqueeze(2)).squeeze(2) * window.shape[2] ** -0.5 + self.lag  # [P, K]
        weight = score.masked_fill(~valid, NEVER).softmax(1)  # [P, K]
        return weight, self.value(torch.bmm(weight.unsqueeze(1), window).squeeze(1))  # [P, D]

    def along(self, h: Tensor, x: Tensor, lag: Tensor, reached: Tensor) -> Tensor:
        """Vectors v [B, T, D] after each step of windows x [B, T, D], oldest first, with states h [B, T, H].

        `lag` [T, T] says how far back each step is, `reached` which of them the ring would still hold.
        """
        score = self.query(h) @ self.key.weight @ x.transpose(1, 2) * x.shape[2] ** -0.5  # [B, T, T]
        score = (score + self.lag[lag]).masked_fill(~reached, NEVER)
        v: Tensor = self.value(score.softmax(2) @ x)
        return v
