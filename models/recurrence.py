"""The recurrent step over a batch: from the stored states h, c to those after each event."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from models.memory import Timeline
from models.network import InterestNetwork

_HALF_MAX = 65504.0


@dataclass(frozen=True, slots=True)
class States:
    """What the recurrent step made of a batch."""

    h: Tensor
    """[n, H] after each event, of the last layer"""
    memory: NDArray[np.void]
    """[U] copy of the memory whose `h`, `c` are those after the batch"""
    refused: NDArray[np.int64]
    """Rows whose state was not finite"""


def stored(network: InterestNetwork, memory: NDArray[np.void], name: str, user: NDArray[np.int64]) -> Tensor:
    """[p, L H] `h` or `c` of all layers of these rows; what is not finite there is 0."""
    like = network.gap
    state = torch.from_numpy(memory[name][user]).to(like.device, like.dtype)
    return state.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def recur(network: InterestNetwork, table: Tensor, timeline: Timeline) -> States:
    """Run the LSTM over each user's events, as one packed sequence: n recurrent steps, whoever they belong to."""
    batch, memory = timeline.batch, timeline.memory
    after = memory.copy()
    device = network.gap.device
    if not len(batch):
        return States(network.gap.new_zeros(0, network.config.hidden), after, np.zeros(0, np.int64))
    order = np.argsort(-timeline.count, kind="stable")
    order = order[: int(np.count_nonzero(timeline.count))]  # [A] users with events, busiest first
    place = np.empty(len(memory), dtype=np.int64)
    place[order] = np.arange(len(order))
    sizes = np.bincount(timeline.position)  # [T] users with more than t events
    packed = (np.cumsum(sizes) - sizes)[timeline.position] + place[batch.user]  # [n] where each event goes
    source = np.empty_like(packed)
    source[packed] = np.arange(len(batch))
    x = network.embed(table, timeline.said[source].tensors(device))  # [n, D]
    h0, c0 = stored(network, memory, "h", order), stored(network, memory, "c", order)  # [A, L H]
    layers, hidden = network.config.layers, network.config.hidden

    def by_layer(state: Tensor) -> Tensor:
        return state.view(-1, layers, hidden).transpose(0, 1).contiguous()  # [L, A, H]

    sequence = PackedSequence(x, torch.from_numpy(sizes))
    output, (h1, c1) = network.lstm(sequence, (by_layer(h0), by_layer(c0)))
    h = output.data[torch.from_numpy(packed).to(device)]  # [n, H]
    h1, c1 = (state.transpose(0, 1).flatten(1) for state in (h1, c1))  # [A, L H]
    good = (torch.isfinite(h1) & torch.isfinite(c1)).all(1)  # [A]
    if not bool(good.all()):
        bad = ~good.unsqueeze(1)
        h1, c1 = torch.where(bad, h0, h1), torch.where(bad, c0, c1)
        mine = torch.from_numpy(place[batch.user]).to(device)  # [n]
        h = torch.where(bad[mine], h0[mine, -hidden:], h)
    whole = np.isfinite(memory["h"][order]).all(1) & np.isfinite(memory["c"][order]).all(1)  # [A]
    after["h"][order] = h1.half().cpu().numpy()
    after["c"][order] = c1.float().clamp(-_HALF_MAX, _HALF_MAX).half().cpu().numpy()
    return States(h, after, np.sort(order[~(whole & good.cpu().numpy())]))
