"""The recurrent step over a batch: from the stored states h, c to those after each event.

A state is what the LSTM makes of all of the user's events, whichever weights it had then. From the ring it can be made
anew: from nothing over the last K events, as the learner runs them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from models.data.timeline import Timeline
from models.data.user_state import ordered_history
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork

_HALF_MAX = 65504.0

_REBUILT_ROWS = 512
"""Rows rebuilt at once: K inputs of each are held"""


@dataclass(frozen=True, slots=True)
class States:
    """What the recurrent step made of a batch."""

    h: Tensor
    """[n, H] after each event, of the last layer"""
    memory: NDArray[np.void]
    """[U] copy of the memory whose `h`, `c` are those after the batch"""
    refused: NDArray[np.int64]
    """Rows whose new state was not finite: `h`, `c` from before are kept there"""


def stored(network: InterestNetwork, memory: NDArray[np.void], name: str, user: NDArray[np.int64]) -> Tensor:
    """[p, L H] `h` or `c` of all layers of these rows."""
    return torch.from_numpy(memory[name][user]).to(network.gap.device, network.gap.dtype)


def recompute_states(network: InterestNetwork, table: Tensor, memory: NDArray[np.void]) -> NDArray[np.void]:
    """[U] copy of the memory whose `h`, `c` are those of the rings' events alone, begun from zero."""
    after = memory.copy()
    after["h"], after["c"] = 0, 0
    begun = np.flatnonzero(memory["steps"])
    for low in range(0, len(begun), _REBUILT_ROWS):
        user = begun[low : low + _REBUILT_ROWS]
        steps, length = ordered_history(memory, user)
        x = network.embed(table, FeatureTensors.of(steps, network.gap.device))  # [B, K, D]
        sequence = pack_padded_sequence(x, torch.from_numpy(length), batch_first=True, enforce_sorted=False)
        _, state = network.lstm(sequence)
        h, c = (each.transpose(0, 1).flatten(1) for each in state)  # [B, L H]
        good = _finite(h, c).unsqueeze(1)
        _keep(after, user, torch.where(good, h, 0), torch.where(good, c, 0))
    return after


def repair_nonfinite_states(
    network: InterestNetwork, table: Tensor, memory: NDArray[np.void]
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The memory, rebuilt where `h` or `c` is not finite, and which rows those are."""
    broken = np.flatnonzero(~(np.isfinite(memory["h"]).all(1) & np.isfinite(memory["c"]).all(1)))
    if len(broken):
        memory = memory.copy()
        memory[broken] = recompute_states(network, table, memory[broken])
    return memory, broken


def lstm_step(network: InterestNetwork, table: Tensor, timeline: Timeline) -> States:
    """Run the LSTM over each user's events, as one packed sequence: n recurrent steps, whoever they belong to.

    The stored states must be finite.
    """
    batch, memory = timeline.batch, timeline.rows
    after = memory.copy()
    device = network.gap.device
    if not len(batch):
        return States(network.gap.new_zeros(0, network.config.hidden_size), after, np.zeros(0, np.int64))
    order = np.argsort(-timeline.count, kind="stable")
    order = order[: int(np.count_nonzero(timeline.count))]  # [A] users with events, busiest first
    place = np.empty(len(memory), dtype=np.int64)
    place[order] = np.arange(len(order))
    sizes = np.bincount(timeline.position)  # [T] users with more than t events
    packed = (np.cumsum(sizes) - sizes)[timeline.position] + place[batch.user]  # [n] where each event goes
    source = np.empty_like(packed)
    source[packed] = np.arange(len(batch))
    x = network.embed(table, FeatureTensors.of(timeline.features[source], device))  # [n, D]
    h0, c0 = stored(network, memory, "h", order), stored(network, memory, "c", order)  # [A, L H]
    layers, hidden = network.config.num_layers, network.config.hidden_size

    def by_layer(state: Tensor) -> Tensor:
        return state.view(-1, layers, hidden).transpose(0, 1).contiguous()  # [L, A, H]

    sequence = PackedSequence(x, torch.from_numpy(sizes))
    output, (h1, c1) = network.lstm(sequence, (by_layer(h0), by_layer(c0)))
    h = output.data[torch.from_numpy(packed).to(device)]  # [n, H]
    h1, c1 = (state.transpose(0, 1).flatten(1) for state in (h1, c1))  # [A, L H]
    good = _finite(h1, c1)  # [A]
    if not bool(good.all()):
        bad = ~good.unsqueeze(1)
        h1, c1 = torch.where(bad, h0, h1), torch.where(bad, c0, c1)
        mine = torch.from_numpy(place[batch.user]).to(device)  # [n]
        h = torch.where(bad[mine], h0[mine, -hidden:], h)
    _keep(after, order, h1, c1)
    return States(h, after, np.sort(order[~good.cpu().numpy()]))


def _finite(h: Tensor, c: Tensor) -> Tensor:
    """[A] whether all of a row's state is."""
    return (torch.isfinite(h) & torch.isfinite(c)).all(1)


def _keep(memory: NDArray[np.void], row: NDArray[np.int64], h: Tensor, c: Tensor) -> None:
    """Write states [A, L H] into these rows, in the number type that the rows have."""
    number = torch.from_numpy(np.empty(0, memory.dtype["h"].base)).dtype
    memory["h"][row] = h.to("cpu", number).numpy()
    memory["c"][row] = c.float().clamp(-_HALF_MAX, _HALF_MAX).to("cpu", number).numpy()
