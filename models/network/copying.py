"""Copy path (pointer network) for repeats: which of the user's last K items the next event repeats, and how likely.

The probability of an item is p = (1 - g) p_s + g Σ_j k_j 1[item_j], where p_s is the softmax over all items and

    k = softmax_j(K_c x_j · W_c h_t / √d + c_lag[j])      g = sigmoid(w_g [h_t; v; x_t])
"""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.network.attention import MASKED_SCORE, HistoryMask
from models.network.fusion import fused_width

_LAG_DECAY = 0.3
_GATE_BIAS = -2.0


class Copying(nn.Module):
    """Scores of repeating each event: `step` for one state per row over its window, `forward` for whole sequences."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.embedding_dim, config.embedding_dim, bias=False)
        self.query = nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
        self.gate = nn.Linear(fused_width(config), 1)
        self.lag = nn.Parameter(-_LAG_DECAY * torch.arange(config.history_length))

    def reset_gate(self) -> None:
        """Start with few repeats: they cost a new network little where there are none."""
        with torch.no_grad():
            self.gate.bias.fill_(_GATE_BIAS)

    def step(self, h: Tensor, window: Tensor, repeatable: Tensor, fused: Tensor) -> Tensor:
        """[P, K] probability that each event of the windows [P, K, D], newest first, is repeated; sums to g or to 0.

        `repeatable` [P, K] says which events may be, `fused` [P, F] is [h; v; x].
        """
        score = self._scores(h.unsqueeze(1), window).squeeze(1) + self.lag  # [P, K]
        share = score.masked_fill(~repeatable, MASKED_SCORE).float().softmax(1) * repeatable  # [P, K]
        return share * torch.sigmoid(self.gate(fused).float())

    def forward(self, h: Tensor, x: Tensor, fused: Tensor, mask: HistoryMask) -> tuple[Tensor, Tensor]:
        """Scores [B, T + 1, T] of repeating each event, before the first and after each; and of the gate [B, T + 1].

        Both are logits. Before the first event there is nothing to repeat.
        """
        score = self._scores(h, x) + self.lag[mask.lag]  # [B, T, T]
        score = score.masked_fill(~mask.visible, MASKED_SCORE)
        gate = self.gate(fused).squeeze(2)  # [B, T]
        pad = nn.functional.pad
        return pad(score, (0, 0, 1, 0), value=MASKED_SCORE), pad(gate, (1, 0), value=MASKED_SCORE)

    def _scores(self, h: Tensor, x: Tensor) -> Tensor:
        """[..., T, J] of events x [..., J, D] in states h [..., T, H], without the bias of the lag."""
        score: Tensor = self.query(h) @ self.key.weight @ x.transpose(-1, -2) * x.shape[-1] ** -0.5
        return score
