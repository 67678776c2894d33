"""The interest network: LSTM over a user's events, attention over the last K of them, scores against every item.

    x_t = E[item] + T[event type] + G[gap bucket]                  (h_t, c_t) = LSTM(x_t, h_{t-1}, c_{t-1})
    a = softmax_j(W_k x_j · W_q h_t / √d + b_lag[j])               v = Σ_j a_j W_v x_j
    u = W_u [h_t; v; x_t]                                          scores = E u + b

j counts back from the event itself (lag 0). Keys and values are linear, so W_k is moved to the query (x_j · W_kᵀ W_q h)
and W_v behind the sum: no ring entry is ever projected, neither per event nor per weight version. Where items may come
back, the copy path (copying.py) adds to the softmax over all items one over the user's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.copying import NEVER, Copying
from models.errors import WeightsError
from models.events import EVENT_TYPES
from models.memory import GAP_BUCKETS
from models.weights import Weights

ITEM_TABLES = ("item", "item_bias")
"""Tensors with a row per item index; the others have the same shape for ever."""

_FIRST_ROWS = 1024
_ITEM_SCALE = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network makes of P states and their windows."""

    interest: Tensor
    """[P, D]"""
    attention: Tensor
    """[P, K]"""
    copied: Tensor
    """[P, K] probability that the next event repeats the step's item; all 0 where items do not come back"""


@dataclass(frozen=True, slots=True)
class Run:
    """What the network makes of windows [B, T], before each step and after the last."""

    interest: Tensor
    """[B, T + 1, D]"""
    copy_score: Tensor | None
    """[B, T + 1, T] score of repeating each step"""
    gate: Tensor | None
    """[B, T + 1] score of repeating any"""


class InterestNetwork(nn.Module):
    """Parameters and the three stages: embed, recur (its `lstm`), read."""

    def __init__(self, config: ModelConfig, rows: int = _FIRST_ROWS) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.config = config
        self.item = nn.Parameter(torch.empty(0, width))
        self.item_bias = nn.Parameter(torch.empty(0))
        self.event_type = nn.Parameter(torch.zeros(len(EVENT_TYPES), width))
        self.gap = nn.Parameter(torch.zeros(GAP_BUCKETS, width))
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.key = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(hidden, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.lag = nn.Parameter(torch.zeros(config.ring))
        self.fuse = nn.Linear(hidden + 2 * width, width)
        self.copying = Copying(config) if config.repeats == "allow" else None
        self._initialise()
        self.grow(rows)

    @property
    def rows(self) -> int:
        """Rows of the item tables: known indices are below."""
        return len(self.item)

    def grow(self, rows: int) -> None:
        """Double the item tables until they have `rows` rows; a new row depends on seed and index alone."""
        if rows <= self.rows:
            return
        item = torch.cat([self.item.detach(), *self._new_rows(rows)])
        bias = item.new_zeros(len(item))
        bias[: self.rows] = self.item_bias.detach()
        self.item, self.item_bias = nn.Parameter(item), nn.Parameter(bias)

    def embed(self, table: Tensor, item: Tensor, kind: Tensor, gap: Tensor) -> Tensor:
        """Inputs x of events; `item` are rows of `table`."""
        steps = self.event_type.unsqueeze(1) + self.gap  # [types, gaps, D]
        code = kind * GAP_BUCKETS + gap
        return nn.functional.embedding(item, table) + nn.functional.embedding(code, steps.flatten(0, 1))  # [..., D]

    def read(self, h: Tensor, window: Tensor, valid: Tensor, repeatable: Tensor) -> Reading:
        """What states h [P, H] and windows [P, K, D], newest step first, say; only `repeatable` steps are copied."""
        query = self.query(h) @ self.key.weight  # [P, D]
        score = torch.bmm(window, query.unsqueeze(2)).squeeze(2) * self.config.width**-0.5 + self.lag  # [P, K]
        attention = score.masked_fill(~valid, NEVER).softmax(1)  # [P, K]
        value = self.value(torch.bmm(attention.unsqueeze(1), window).squeeze(1))  # [P, D]
        begun = valid[:, :1]
        newest = window[:, 0] * begun  # [P, D]
        fused = torch.cat([h, value * begun, newest], 1)  # [P, H + 2D]
        copied = attention.new_zeros(1, 1).expand_as(attention)
        if self.copying is not None:
            copied = self.copying.read(h, window, valid & repeatable, fused)
        return Reading(self.fuse(fused), attention * begun, copied)

    def interests(
        self, table: Tensor, item: Tensor, kind: Tensor, gap: Tensor, dropout: "Dropout | None" = None
    ) -> Run:
        """What windows [B, T], oldest step first and begun from zero, say before each step and after the last."""
        x = self.embed(table, item, kind, gap)  # [B, T, D]
        if dropout is not None:
            x = dropout.of_input(x)
        h, _ = self.lstm(x)  # [B, T, H]
        steps = x.shape[1]
        lag = torch.arange(steps, device=x.device)
        lag = lag[:, None] - lag  # [T, T]
        past, lag = lag >= 0, lag.clamp(min=0)
        score = self.query(h) @ self.key.weight @ x.transpose(1, 2) * self.config.width**-0.5  # [B, T, T]
        score = (score + self.lag[lag]).masked_fill(~past, NEVER)
        value = self.value(score.softmax(2) @ x)  # [B, T, D]
        fused = torch.cat([h, value, x], 2)  # [B, T, H + 2D]
        if dropout is not None:
            fused = dropout.of_fused(fused)
        after = self.fuse(fused)  # [B, T, D]
        interest = torch.cat([self.fuse.bias.expand(len(x), 1, -1), after], 1)  # [B, T + 1, D]
        if self.copying is None:
            return Run(interest, None, None)
        copy_score = self.copying.scores(h, x) + self.copying.lag[lag]  # [B, T, T]
        copy_score = copy_score.masked_fill(~past, NEVER)
        gate = self.copying.gate(fused).squeeze(2)  # [B, T]
        # Before the first step there is nothing to repeat.
        pad = nn.functional.pad
        return Run(interest, pad(copy_score, (0, 0, 1, 0), value=NEVER), pad(gate, (1, 0), value=NEVER))

    def snapshot(self, version: int) -> Weights:
        """Copy of all tensors on the CPU, in fp32."""
        tensors = self.state_dict()
        return Weights(version, {name: t.detach().to("cpu", torch.float32, copy=True) for name, t in tensors.items()})

    def load(self, weights: Weights) -> None:
        """Take over weights of any number of item rows. WeightsError where a tensor is missing or has another shape."""
        own = self.state_dict()
        if weights.tensors.keys() != own.keys():
            raise WeightsError(f"weights have tensors {sorted(weights.tensors)}, this network {sorted(own)}")
        for name, tensor in weights.tensors.items():
            fixed = 1 if name in ITEM_TABLES else 0
            if tensor.shape[fixed:] != own[name].shape[fixed:]:
                raise WeightsError(
                    f"{name} has shape {tuple(tensor.shape)}, this network {tuple(own[name].shape)}: the weights were "
                    "made with another model.width, model.hidden or model.ring; set these back or begin anew"
                )
        rows = self.rows
        with torch.no_grad():
            for name in own.keys() - set(ITEM_TABLES):
                own[name].copy_(weights.tensors[name])
        self.item, self.item_bias = (
            nn.Parameter(weights.tensors[name].to(own[name], copy=True)) for name in ITEM_TABLES
        )
        self.grow(rows)

    def _initialise(self) -> None:
        generator = torch.Generator().manual_seed(self.config.seed)
        for name, parameter in self.named_parameters():
            if name in ITEM_TABLES or name.endswith("lag"):
                continue
            if parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)
        hidden = self.config.hidden
        with torch.no_grad():
            # Open forget gates at first: what a user did long ago still reaches the loss.
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] = 1.0
        if self.copying is not None:
            self.copying.initialise()

    def _new_rows(self, rows: int) -> Iterator[Tensor]:
        low = self.rows
        while low < rows:
            # Blocks begin at powers of two whatever the present size: a row is the same however the table came to be.
            start = 1 << (low.bit_length() - 1) if low >= _FIRST_ROWS else 0
            end = max(2 * start, _FIRST_ROWS)
            seed = int(np.random.SeedSequence((self.config.seed, start)).generate_state(1)[0])
            generator = torch.Generator().manual_seed(seed)
            block = torch.randn(end - start, self.config.width, generator=generator) * _ITEM_SCALE
            yield block[low - start :].to(self.item)
            low = end


class Dropout:
    """Noise for training, drawn from a seed of its own; what is kept is scaled up so that sums stay."""

    def __init__(self, of_input: float, of_fused: float, seed: int, device: torch.device) -> None:
        self._shares = of_input, of_fused
        self._generator = torch.Generator(device).manual_seed(seed)

    def of_input(self, x: Tensor) -> Tensor:
        """Inputs x with some numbers left out."""
        return self._drop(x, self._shares[0])

    def of_fused(self, fused: Tensor) -> Tensor:
        """[h; v; x] with some numbers left out."""
        return self._drop(fused, self._shares[1])

    def _drop(self, tensor: Tensor, share: float) -> Tensor:
        kept = torch.rand(tensor.shape, generator=self._generator, device=tensor.device) >= share
        return tensor * kept / (1 - share)
