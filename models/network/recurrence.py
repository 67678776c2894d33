"""The LSTM over a batch of events: from the stored states h, c to those after each event.

A stored state is the LSTM's after all of the user's events, with whichever weights there were at each. It can be
recomputed from the stored history: from zero over the last K events, as training runs them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from models.data.timeline import Timeline
from models.data.user_profile import stored_profiles
from models.data.user_state import ordered_history
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork
from models.transfers import is_host, to_device, to_host

_HALF_MAX = 65504.0

_RECOMPUTED_ROWS = 512
"""Rows recomputed at once: K inputs of each are in memory"""


@dataclass(frozen=True, slots=True)
class LstmStepResult:
    """States after a batch of n events of U users."""

    h: Tensor
    """[n, H] after each event, of the last layer"""
    rows: NDArray[np.void]
    """[U] copy of the rows whose `h`, `c` are those after the batch"""
    nonfinite_rows: NDArray[np.int64]
    """Rows whose new state was not finite: they keep `h`, `c` from before the batch"""


def load_states(network: InterestNetwork, rows: NDArray[np.void], name: str, user: NDArray[np.int64]) -> Tensor:
    """[p, L H] `h` or `c` of all layers of these users, as tensors of the network's number type."""
    (state,) = to_device([rows[name][user]], network.gap.device)
    return state.to(network.gap.dtype)


def recompute_states(network: InterestNetwork, table: Tensor, rows: NDArray[np.void]) -> NDArray[np.void]:
    """[U] copy of the rows whose `h`, `c` are those of the stored histories alone, begun from zero."""
    after = rows.copy()
    after["h"], after["c"] = 0, 0
    with_events = np.flatnonzero(rows["steps"])
    for low in range(0, len(with_events), _RECOMPUTED_ROWS):
        user = with_events[low : low + _RECOMPUTED_ROWS]
        features, length = ordered_history(rows, user)
        x = network.embed(table, FeatureTensors.of(features, network.gap.device))  # [B, K, D]
        if (profile := network.profile_inputs(stored_profiles(rows[user]))) is not None:
            x = x + profile.unsqueeze(1)
        sequence = pack_padded_sequence(x, torch.from_numpy(length), batch_first=True, enforce_sorted=False)
        _, state = network.lstm(sequence)
        h, c = (layers.transpose(0, 1).flatten(1) for layers in state)  # [B, L H]
        finite = _finite(h, c).unsqueeze(1)
        _store_states(after, user, torch.where(finite, h, 0), torch.where(finite, c, 0), finite)
    return after


def rebuild_states(
    network: InterestNetwork, table: Tensor, rows: NDArray[np.void], lineage: NDArray[np.uint32] | None
) -> tuple[NDArray[np.void], int]:
    """The rows, with states recomputed where weights of another lineage [U] than the network's computed them.

    Also how many those are. Lineage 0 is not known, and continued as it is; None: of no row.
    """
    if lineage is None:
        return rows, 0
    other = np.flatnonzero((lineage != 0) & (lineage != network.lineage))
    if len(other):
        rows = rows.copy()
        rows[other] = recompute_states(network, table, rows[other])
    return rows, len(other)


def repair_nonfinite_states(
    network: InterestNetwork, table: Tensor, rows: NDArray[np.void]
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The rows, with states recomputed where `h` or `c` is not finite, and which rows those are."""
    broken = np.flatnonzero(~(np.isfinite(rows["h"]).all(1) & np.isfinite(rows["c"]).all(1)))
    if len(broken):
        rows = rows.copy()
        rows[broken] = recompute_states(network, table, rows[broken])
    return rows, broken


def lstm_step(network: InterestNetwork, table: Tensor, timeline: Timeline) -> LstmStepResult:
    """Run the LSTM over each user's events, as one packed sequence: n cells, whichever users they belong to.

    The stored states must be finite.
    """
    batch, rows = timeline.batch, timeline.rows
    after = rows.copy()
    device = network.gap.device
    if not len(batch):
        return LstmStepResult(network.gap.new_zeros(0, network.config.hidden_size), after, np.zeros(0, np.int64))
    order = np.argsort(-timeline.count, kind="stable")
    order = order[: int(np.count_nonzero(timeline.count))]  # [A] users with events, most events first
    sequence_index = np.empty(len(rows), dtype=np.int64)
    sequence_index[order] = np.arange(len(order))
    batch_sizes = np.bincount(timeline.position)  # [T] users with more than t events
    packed = (np.cumsum(batch_sizes) - batch_sizes)[timeline.position] + sequence_index[batch.user]  # [n]
    source = np.empty_like(packed)
    source[packed] = np.arange(len(batch))
    sequence_of_event = sequence_index[batch.user]  # [n]
    arrays = rows["h"][order], rows["c"][order], packed, sequence_of_event
    features, (*states, packed_index, sequence_of) = FeatureTensors.with_arrays(
        timeline.features[source], arrays, device
    )
    x = network.embed(table, features)  # [n, D]
    if (profile := network.profile_inputs(timeline.profiles())) is not None:
        x = x + profile[torch.from_numpy(source).to(device)]
    h0, c0 = (state.to(network.gap.dtype) for state in states)  # [A, L H]
    layers, hidden_size = network.config.num_layers, network.config.hidden_size

    def by_layer(state: Tensor) -> Tensor:
        return state.view(-1, layers, hidden_size).transpose(0, 1).contiguous()  # [L, A, H]

    sequence = PackedSequence(x, torch.from_numpy(batch_sizes))
    output, (h1, c1) = network.lstm(sequence, (by_layer(h0), by_layer(c0)))
    h = output.data[packed_index]  # [n, H]
    h1, c1 = (state.transpose(0, 1).flatten(1) for state in (h1, c1))  # [A, L H]
    finite = _finite(h1, c1)  # [A]
    # To ask another device whether any is not would take longer than to replace none.
    if not is_host(device) or not bool(finite.all()):
        broken = ~finite.unsqueeze(1)
        h1, c1 = torch.where(broken, h0, h1), torch.where(broken, c0, c1)
        h = torch.where(broken[sequence_of], h0[sequence_of, -hidden_size:], h)
    is_finite = _store_states(after, order, h1, c1, finite)
    return LstmStepResult(h, after, np.sort(order[~is_finite]))


def _finite(h: Tensor, c: Tensor) -> Tensor:
    """[A] whether all numbers of a row's state are finite."""
    return (torch.isfinite(h) & torch.isfinite(c)).all(1)


def _store_states(
    rows: NDArray[np.void], user: NDArray[np.int64], h: Tensor, c: Tensor, finite: Tensor
) -> NDArray[np.bool_]:
    """Write states [A, L H] into these users' rows, in the number type of the rows; `finite` as an array."""
    dtype = torch.from_numpy(np.empty(0, rows.dtype["h"].base)).dtype
    half_c = c.float().clamp(-_HALF_MAX, _HALF_MAX).to(dtype)
    rows["h"][user], rows["c"][user], is_finite = to_host([h.to(dtype), half_c, finite])
    return is_finite
