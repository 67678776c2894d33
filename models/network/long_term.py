"""Long-term interest: what a user's last K events say as a set, whatever their order.

    long = W_o max_j relu(W_c x_j + b_c)

A convolution of width one (what has no order must not be read in one), max pooling over the events, a dense layer.
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.network.copying import NEVER
from models.network.dropout import Dropout


class LongTerm(nn.Module):
    """Parameters of the branch, and its two readings: of single moments, and of whole windows."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convolution = nn.Linear(config.embedding_dim, config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.embedding_dim)
        self._ring = config.history_length

    def read(self, window: Tensor, valid: Tensor) -> Tensor:
        """[P, D] of windows [P, K, D]; a user without events has the long-term interest of none."""
        seen = self.convolution(window).relu().masked_fill(~valid.unsqueeze(2), NEVER)  # [P, K, H]
        return self._pooled(seen.amax(1))

    def along(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """[B, T, D] after each step of windows x [B, T, D], oldest first."""
        seen = self.convolution(x).relu().transpose(1, 2)  # [B, H, T]
        padded = nn.functional.pad(seen, (self._ring - 1, 0), value=NEVER)
        most = nn.functional.max_pool1d(padded, self._ring, 1).transpose(1, 2)  # [B, T, H]
        return self._pooled(most if dropout is None else dropout.of_fused(most))

    def before(self, like: Tensor) -> Tensor:
        """[D] before the first event."""
        return self._pooled(torch.full((self.convolution.out_features,), NEVER).to(like))

    def _pooled(self, most: Tensor) -> Tensor:
        # No event pools to NEVER, which stands for "nothing seen": zero.
        long: Tensor = self.dense(most.clamp(min=0))
        return long
