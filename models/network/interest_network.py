"""The interest network: LSTM over a user's events, attention over the last K of them, scores against every item.

    x_t = E'[item] + T[event type] + G[gap] + V[value] + W_y text          (h_t, c_t) = LSTM(x_t, h_{t-1}, c_{t-1})
    E' = E + W_t content                                                   u = W_u [h_t; v; x_t], scores = E' u + b

v is the attention's (attention.py), content what catalog and reviews say of an item (content.py). The parts that a
recipe may switch: layers of the LSTM, attention, how u is fused (fusion.py), long-term interest, which is added to u
(long_term.py), E. Where items may come back, the copy path (copying.py) adds to the softmax over all items one over
the user's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.data.event_features import VALUE_BUCKETS
from models.data.event_types import EVENT_TYPES
from models.data.user_state import GAP_BUCKETS, Windows
from models.errors import WeightsError
from models.items.content import content_width
from models.network.attention import Attention
from models.network.copying import NEVER, Copying
from models.network.dropout import Dropout
from models.network.feature_tensors import FeatureTensors
from models.network.fusion import fusion
from models.network.long_term import LongTerm
from models.network.weights import Weights
from models.text.sign_codes import BITS, unpack_signs

ITEM_TABLES = ("item", "item_bias")
"""Tensors with a row per item index; the others have the same shape for ever."""

_FIRST_ROWS = 1024
_ITEM_SCALE = 0.1


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network makes of P states and their windows."""

    interest: Tensor
    """[P, D]"""
    attention: Tensor
    """[P, K] all 0 in a network without attention"""
    copied: Tensor
    """[P, K] probability that the next event repeats the step's item; all 0 where items do not come back"""
    long_term: Tensor | None = None
    """[P, D] the part of `interest` that comes from the events as a set; None in a network without it"""

    def __getitem__(self, rows: slice) -> "NetworkOutput":
        long_term = None if self.long_term is None else self.long_term[rows]
        return NetworkOutput(self.interest[rows], self.attention[rows], self.copied[rows], long_term)


@dataclass(frozen=True, slots=True)
class SequenceOutput:
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
        width, hidden = config.embedding_dim, config.hidden_size
        self.config = config
        self.item = nn.Parameter(torch.empty(0, width))
        self.item_bias = nn.Parameter(torch.empty(0))
        self.event_type = nn.Parameter(torch.zeros(len(EVENT_TYPES), width))
        self.gap = nn.Parameter(torch.zeros(GAP_BUCKETS, width))
        self.value = nn.Parameter(torch.zeros(VALUE_BUCKETS, width))
        self.text = nn.Linear(BITS, width, bias=False) if config.text != "none" else None
        self.content = nn.Linear(content_width(config), width, bias=False) if content_width(config) else None
        self.lstm = nn.LSTM(width, hidden, config.num_layers, batch_first=True)
        self.attention = Attention(config) if config.attention else None
        self.fusion = fusion(config)
        self.long_term = LongTerm(config) if config.long_term else None
        self.copying = Copying(config) if config.allow_repeats else None
        # How far apart probabilities lie, where the loss itself says nothing of them.
        self.log_scale = nn.Parameter(torch.zeros(1)) if config.objective == "degree" else None
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

    def embed(self, table: Tensor, steps: FeatureTensors) -> Tensor:
        """Inputs x of events; their items are rows of `table`, of E'."""
        shared = self.event_type.unsqueeze(1) + self.gap  # [types, gaps, D]
        code = steps.type * GAP_BUCKETS + steps.gap
        x = nn.functional.embedding(steps.item, table) + nn.functional.embedding(code, shared.flatten(0, 1))  # [..., D]
        if steps.value is not None:
            x = x + nn.functional.embedding(steps.value, self.value, padding_idx=0)
        if self.text is not None and len(steps.text):
            said = self.text(steps.text.to(x.dtype))  # [m, D]
            x = x.flatten(0, -2).index_add(0, steps.text_index, said.to(x.dtype)).view(x.shape)
        return x

    def read(self, h: Tensor, window: Tensor, windows: Windows, repeatable: Tensor) -> NetworkOutput:
        """What states h [P, H] and inputs `window` [P, K, D] of the windows say; only `repeatable` steps are copied."""
        valid = torch.from_numpy(windows.valid).to(h.device)  # [P, K]
        begun = valid[:, :1]
        newest = window[:, 0] * begun  # [P, D]
        attention = window.new_zeros(1, 1).expand(window.shape[:2])
        parts = [h, newest]
        if self.attention is not None:
            attention, v = self.attention.read(h, window, valid)
            parts.insert(1, v * begun)
        fused = torch.cat(parts, 1)  # [P, F]
        text = None
        if self.config.fusion != "linear" and windows.features.text.any():
            text = torch.from_numpy(unpack_signs(windows.features.text[:, 0])).to(h.device)  # [P, BITS]
        scale = 1.0 if self.log_scale is None else self.log_scale.exp()
        interest = self.fusion(fused, text) * scale
        long_term = None
        if self.long_term is not None:
            long_term = self.long_term.read(window, valid) * scale
            interest = interest + long_term
        copied = attention.new_zeros(1, 1).expand_as(attention)
        if self.copying is not None:
            copied = self.copying.read(h, window, valid & repeatable, fused)
        return NetworkOutput(interest, attention * begun, copied, long_term)

    def interests(self, table: Tensor, steps: FeatureTensors, dropout: Dropout | None = None) -> SequenceOutput:
        """What windows [B, T], oldest step first and begun from zero, say before each step and after the last.

        Steps further back than the ring reaches are seen by the LSTM alone, as in a worker.
        """
        x = self.embed(table, steps)  # [B, T, D]
        if dropout is not None:
            x = dropout.of_input(x)
        h, _ = self.lstm(x)  # [B, T, H]
        length = x.shape[1]
        lag = torch.arange(length, device=x.device)
        lag = lag[:, None] - lag  # [T, T]
        reached = (lag >= 0) & (lag < self.config.history_length)
        lag = lag.clamp(0, self.config.history_length - 1)
        parts = [h, x]
        if self.attention is not None:
            parts.insert(1, self.attention.along(h, x, lag, reached))
        fused = torch.cat(parts, 2)  # [B, T, F]
        if dropout is not None:
            fused = dropout.of_fused(fused)
        text = None
        if self.config.fusion != "linear" and len(steps.text):
            text = x.new_zeros(x.shape[0] * length, BITS)
            text = text.index_copy(0, steps.text_index, steps.text.to(x.dtype)).view(*x.shape[:2], BITS)
        after = self.fusion(fused, text)  # [B, T, D]
        first = self.fusion(fused.new_zeros(1, 1, fused.shape[2]), None)  # [1, 1, D]
        if self.long_term is not None:
            after = after + self.long_term.along(x, dropout)
            first = first + self.long_term.before(x)
        interest = torch.cat([first.expand(len(x), -1, -1), after], 1)  # [B, T + 1, D]
        if self.copying is None:
            return SequenceOutput(interest, None, None)
        copy_score = self.copying.scores(h, x) + self.copying.lag[lag]  # [B, T, T]
        copy_score = copy_score.masked_fill(~reached, NEVER)
        gate = self.copying.gate(fused).squeeze(2)  # [B, T]
        # Before the first step there is nothing to repeat.
        pad = nn.functional.pad
        return SequenceOutput(interest, pad(copy_score, (0, 0, 1, 0), value=NEVER), pad(gate, (1, 0), value=NEVER))

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
                    "made with other settings of the model; set these back or begin anew"
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
            if name in (*ITEM_TABLES, "value") or name.endswith("lag"):
                continue
            # What users write weighs nothing at first, as their values do: at full weight its noise costs .005 of
            # log-loss on amazon-music's events from 40 % to 70 %.
            if parameter.dim() == 2 and name != "text.weight":
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)
        hidden = self.config.hidden_size
        with torch.no_grad():
            # Open forget gates at first: what a user did long ago still reaches the loss.
            for layer in range(self.config.num_layers):
                self.lstm.get_parameter(f"bias_ih_l{layer}")[hidden : 2 * hidden] = 1.0
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
            scale = _ITEM_SCALE if self.config.item_embeddings else 0.0
            block = torch.randn(end - start, self.config.embedding_dim, generator=generator) * scale
            yield block[low - start :].to(self.item)
            low = end
