"""The interest network: LSTM over a user's events, attention over the last K of them, scores against every item.

    x_t = E'[item] + T[event type] + G[gap] + V[value] + W_y text + p      (h_t, c_t) = LSTM(x_t, h_{t-1}, c_{t-1})
    E' = E + W_t content                                                   u = W_u [h_t; v; x_t], scores = E' u + b

v is the output of the attention (attention.py), content the vector of an item's catalog text, reviews and numbers
(items/content.py), p what is known of the user (user_profile.py). Parts that the configuration switches: layers of the
LSTM, attention, the fusion of u (fusion.py), long-term interest, which is added to u (long_term.py), p, E. Where
repeats are allowed, the copy path (copying.py) adds to the softmax over all items one over the user's last K.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import ModelConfig
from models.data.event_features import VALUE_BUCKETS
from models.data.event_types import EVENT_TYPES
from models.data.user_state import GAP_BUCKETS, Windows
from models.errors import WeightsError
from models.items.content import content_width
from models.network.attention import Attention, HistoryMask
from models.network.copying import Copying
from models.network.dropout import Dropout
from models.network.feature_tensors import FeatureTensors
from models.network.fusion import fusion_of
from models.network.initialisation import (
    FIRST_ITEMS,
    initialise_layers,
    new_item_rows,
    newcomer_rows,
    open_forget_gates,
)
from models.network.long_term import LongTerm
from models.network.outputs import NetworkOutput, SequenceOutput
from models.network.user_profile import UserProfile
from models.network.weights import INITIAL_LINEAGE, Weights
from models.text.sign_codes import BITS, unpack_signs
from models.transfers import to_device

ITEM_TABLES = ("item", "item_bias")
"""Tensors with a row per item index, which grow; the shapes of all others are fixed."""


class InterestNetwork(nn.Module):
    """Parameters and computation: `embed` events, run `lstm`, then `step` (one state per row) or `forward`."""

    def __init__(self, config: ModelConfig, num_items: int = FIRST_ITEMS) -> None:
        super().__init__()
        embedding_dim = config.embedding_dim
        self.config = config
        self.lineage = INITIAL_LINEAGE
        self.item = nn.Parameter(torch.empty(0, embedding_dim))
        self.item_bias = nn.Parameter(torch.empty(0))
        self.event_type = nn.Parameter(torch.zeros(len(EVENT_TYPES), embedding_dim))
        self.gap = nn.Parameter(torch.zeros(GAP_BUCKETS, embedding_dim))
        self.value = nn.Parameter(torch.zeros(VALUE_BUCKETS, embedding_dim))
        self.text = nn.Linear(BITS, embedding_dim, bias=False) if config.text != "none" else None
        content = content_width(config)
        self.content = nn.Linear(content, embedding_dim, bias=False) if content else None
        self.profile = UserProfile(config.profile_width, embedding_dim) if config.profile_width else None
        self.lstm = nn.LSTM(embedding_dim, config.hidden_size, config.num_layers, batch_first=True)
        self.attention = Attention(config) if config.attention else None
        self.fusion = fusion_of(config)
        self.long_term = LongTerm(config) if config.long_term else None
        self.copying = Copying(config) if config.allow_repeats else None
        # Scale of the scores in the softmax, for a loss that does not depend on it (squared error).
        self.log_scale = nn.Parameter(torch.zeros(1)) if config.objective == "degree" else None
        initialise_layers(self, config.seed)
        open_forget_gates(self.lstm)
        if self.copying is not None:
            self.copying.reset_gate()
        self.grow(num_items)

    @property
    def num_items(self) -> int:
        """Rows of the item tables, with row 0 for "no item": known item indices are below."""
        return len(self.item)

    def grow(self, num_items: int) -> None:
        """Double the item tables until they have `num_items` rows; a new row depends on seed and index alone."""
        if num_items <= self.num_items:
            return
        new = (rows.to(self.item) for rows in new_item_rows(self.config, self.num_items, num_items))
        item = torch.cat([self.item.detach(), *new])
        bias = item.new_zeros(len(item))
        bias[: self.num_items] = self.item_bias.detach()
        self.item, self.item_bias = nn.Parameter(item), nn.Parameter(bias)

    @torch.no_grad()
    def reset_items(self, item: NDArray[np.int64], index: NDArray[np.int64]) -> None:
        """Begin these rows of the item tables anew, for items that have taken them over; `index` in the register."""
        row = torch.from_numpy(item).to(self.item.device)
        self.item[row] = newcomer_rows(self.config, index).to(self.item)
        self.item_bias[row] = 0

    def embed(self, table: Tensor, features: FeatureTensors) -> Tensor:
        """Inputs x [..., D] of events [...]; their items are rows of `table`, of E'."""
        type_and_gap = self.event_type.unsqueeze(1) + self.gap  # [types, gaps, D]
        code = features.type * GAP_BUCKETS + features.gap
        x = nn.functional.embedding(features.item, table)  # [..., D]
        x = x + nn.functional.embedding(code, type_and_gap.flatten(0, 1))
        if features.value is not None:
            x = x + nn.functional.embedding(features.value, self.value, padding_idx=0)
        if self.text is not None and len(features.text):
            text = self.text(features.text.to(x.dtype))  # [m, D]
            x = x.flatten(0, -2).index_add(0, features.text_index, text.to(x.dtype)).view(x.shape)
        return x

    def profile_inputs(self, profile: NDArray[np.float32] | None) -> Tensor | None:
        """[P, D] what these profiles [P, F] add to the inputs of their users; None where nothing is known."""
        if self.profile is None or profile is None or not np.isfinite(profile).any():
            return None
        (on_device,) = to_device([profile], self.gap.device)
        added: Tensor = self.profile(on_device)
        return added

    def step(
        self, h: Tensor, window: Tensor, windows: Windows, repeatable: Tensor, profile: Tensor | None = None
    ) -> NetworkOutput:
        """Interest after one event per row: states h [P, H], inputs `window` [P, K, D] of the windows.

        `repeatable` [P, K] says which events may be repeated, `profile` [P, D] is that of `profile_inputs`.
        """
        (valid,) = to_device([windows.valid], h.device)  # [P, K]
        has_events = valid[:, :1]
        if profile is not None:
            window = window + profile.unsqueeze(1)
        newest = window[:, 0] * has_events  # [P, D]
        if profile is not None:
            newest = torch.where(has_events, newest, profile)
        weight, v = window.new_zeros(1, 1).expand(window.shape[:2]), newest[:, :0]  # [P, K], [P, 0]
        if self.attention is not None:
            weight, v = self.attention.step(h, window, valid)
            v = v * has_events
        fused = torch.cat([h, v, newest], 1)  # [P, F]
        text = None
        if self.fusion.reads_text and windows.features.text.any():
            (text,) = to_device([unpack_signs(windows.features.text[:, 0])], h.device)  # [P, BITS]
        scale = 1.0 if self.log_scale is None else self.log_scale.exp()
        interest = self.fusion(fused, text) * scale  # [P, D]
        long_term = None
        if self.long_term is not None:
            long_term = self.long_term.step(window, valid) * scale
            interest = interest + long_term
        copied = weight.new_zeros(1, 1).expand_as(weight)
        if self.copying is not None:
            copied = self.copying.step(h, window, valid & repeatable, fused)
        return NetworkOutput(interest, weight * has_events, copied, long_term)

    def forward(
        self,
        table: Tensor,
        features: FeatureTensors,
        dropout: Dropout | None = None,
        profile: Tensor | None = None,
    ) -> SequenceOutput:
        """Interest before the first and after each event of sequences [B, T], oldest first, from a state of zero.

        Events beyond the last K are seen by the LSTM alone, as in a worker. `profile` [B, D] is that of
        `profile_inputs`.
        """
        x = self.embed(table, features)  # [B, T, D]
        if profile is not None:
            x = x + profile.unsqueeze(1)
        if dropout is not None:
            x = dropout.drop_input(x)
        h, _ = self.lstm(x)  # [B, T, H]
        mask = HistoryMask.of(x.shape[1], self.config.history_length, x.device)
        v = x[..., :0] if self.attention is None else self.attention(h, x, mask)  # [B, T, 0 or D]
        fused = torch.cat([h, v, x], 2)  # [B, T, F]
        if dropout is not None:
            fused = dropout.drop_fused(fused)
        text = None
        if self.fusion.reads_text and len(features.text):
            text = x.new_zeros(x.shape[0] * x.shape[1], BITS)
            text = text.index_copy(0, features.text_index, features.text.to(x.dtype)).view(*x.shape[:2], BITS)
        after = self.fusion(fused, text)  # [B, T, D]
        before = fused.new_zeros(1, 1, fused.shape[2])
        if profile is not None:
            before = before.expand(len(x), 1, -1)[..., : -x.shape[2]]
            before = torch.cat([before, profile.unsqueeze(1).to(before.dtype)], 2)  # [B, 1, F]
        initial = self.fusion(before, None)  # [1 or B, 1, D]
        if self.long_term is not None:
            after = after + self.long_term(x, dropout)
            initial = initial + self.long_term.initial(x)
        interest = torch.cat([initial.expand(len(x), -1, -1), after], 1)  # [B, T + 1, D]
        if self.copying is None:
            return SequenceOutput(interest, None, None)
        copy_score, gate = self.copying(h, x, fused, mask)
        return SequenceOutput(interest, copy_score, gate)

    def snapshot(self, version: int) -> Weights:
        """Copy of all tensors on the CPU, in fp32."""
        tensors = self.state_dict()
        copies = {name: t.detach().to("cpu", torch.float32, copy=True) for name, t in tensors.items()}
        return Weights(version, copies, lineage=self.lineage)

    def load(self, weights: Weights) -> None:
        """Copy weights with any number of item rows. WeightsError where a tensor is missing or has another shape."""
        parameters = self.state_dict()
        if weights.tensors.keys() != parameters.keys():
            raise WeightsError(f"weights have tensors {sorted(weights.tensors)}, this network {sorted(parameters)}")
        for name, tensor in weights.tensors.items():
            first = 1 if name in ITEM_TABLES else 0
            if tensor.shape[first:] != parameters[name].shape[first:]:
                raise WeightsError(
                    f"{name} has shape {tuple(tensor.shape)}, this network {tuple(parameters[name].shape)}: the "
                    "weights were made with other settings of the model; set these back or begin anew"
                )
        num_items = self.num_items
        self.lineage = weights.lineage
        with torch.no_grad():
            for name in parameters.keys() - set(ITEM_TABLES):
                parameters[name].copy_(weights.tensors[name])
        self.item, self.item_bias = (
            nn.Parameter(weights.tensors[name].to(parameters[name], copy=True)) for name in ITEM_TABLES
        )
        self.grow(num_items)
