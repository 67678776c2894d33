"""Long-term interest: a vector of the user's last K events as a set, whatever their order.

    long = W_o max_j relu(W_c x_j + b_c)

A convolution of width one (a wider one would read an order), max pooling over the events, a dense layer.
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.network.attention import MASKED_SCORE
from models.network.dropout import Dropout


class LongTerm(nn.Module):
    """Max pooling over the last K events: `step` for one window per row, `forward` for whole sequences."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convolution = nn.Linear(config.embedding_dim, config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.embedding_dim)
        self._history_length = config.history_length

    def step(self, window: Tensor, valid: Tensor) -> Tensor:
        """[P, D] of windows [P, K, D]; of a user without events it is `initial`."""
        features = self.convolution(window).relu().masked_fill(~valid.unsqueeze(2), MASKED_SCORE)  # [P, K, H]
        return self._output(features.amax(1))

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """[B, T, D] after each event of sequences x [B, T, D], oldest first."""
        features = self.convolution(x).relu().transpose(1, 2)  # [B, H, T]
        padded = nn.functional.pad(features, (self._history_length - 1, 0), value=MASKED_SCORE)
        pooled = nn.functional.max_pool1d(padded, self._history_length, 1).transpose(1, 2)  # [B, T, H]
        return self._output(pooled if dropout is None else dropout.drop_fused(pooled))

    def initial(self, like: Tensor) -> Tensor:
        """[D] before the first event, in the number type and on the device of `like`."""
        return self._output(torch.full((self.convolution.out_features,), MASKED_SCORE).to(like))

    def _output(self, pooled: Tensor) -> Tensor:
        # The maximum over no event is MASKED_SCORE, which counts as zero.
        long: Tensor = self.dense(pooled.clamp(min=0))
        return long
