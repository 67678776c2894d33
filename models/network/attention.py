"""Attention over a user's last K events, queried by the state of the LSTM.

    a = softmax_j(W_k x_j · W_q h_t / √d + b_lag[j])      v = Σ_j a_j W_v x_j

j counts back from the event itself (lag 0). Keys and values are linear, so W_k is moved to the query (x_j · W_kᵀ W_q h)
and W_v behind the sum: the stored events are never projected, neither per event nor per weight version.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config import ModelConfig

MASKED_SCORE = -1e30
"""Score of an event or item that must get no probability; finite, so that a row with nothing else makes no NaN"""


@dataclass(frozen=True, slots=True)
class HistoryMask:
    """Which events of a sequence of T each one can see: itself and the K - 1 before it, as a worker's history does."""

    lag: Tensor
    """[T, T] how many events column j lies before row t, clamped to 0 … K - 1"""
    visible: Tensor
    """[T, T] False for later events and those beyond K"""

    @staticmethod
    def of(length: int, history_length: int, device: torch.device) -> "HistoryMask":
        """The mask of sequences of this length."""
        event = torch.arange(length, device=device)
        lag = event[:, None] - event  # [T, T]
        return HistoryMask(lag.clamp(0, history_length - 1), (lag >= 0) & (lag < history_length))


class Attention(nn.Module):
    """Single-head attention: `step` for one state per row over its window, `forward` for whole sequences."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.query = nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
        self.value = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.lag = nn.Parameter(torch.zeros(config.history_length))

    def step(self, h: Tensor, window: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [P, K] and v [P, D] of states h [P, H] over windows [P, K, D], newest event first."""
        query = self.query(h) @ self.key.weight  # [P, D]
        score = torch.bmm(window, query.unsqueeze(2)).squeeze(2) * window.shape[2] ** -0.5 + self.lag  # [P, K]
        weight = score.masked_fill(~valid, MASKED_SCORE).softmax(1)  # [P, K]
        return weight, self.value(torch.bmm(weight.unsqueeze(1), window).squeeze(1))  # [P, D]

    def forward(self, h: Tensor, x: Tensor, mask: HistoryMask) -> Tensor:
        """Vectors v [B, T, D] after each event of sequences x [B, T, D], oldest first, with states h [B, T, H]."""
        score = self.query(h) @ self.key.weight @ x.transpose(1, 2) * x.shape[2] ** -0.5  # [B, T, T]
        score = (score + self.lag[mask.lag]).masked_fill(~mask.visible, MASKED_SCORE)
        v: Tensor = self.value(score.softmax(2) @ x)  # [B, T, D]
        return v
