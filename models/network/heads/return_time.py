"""Time of return: a discrete-time hazard over buckets of the time since the user's last event.

    z = tanh(W [h; a] + b)      Λ_k = softplus(Σ_{i ≤ k} (V z + v)_i)

P(event in bucket k | none before) = 1 - exp(-Λ_k). The sum lets buckets that nobody has reached yet follow the last one
that somebody has.

h is the user's stored state, a what their row counts (data/activity.py). Within a bucket the hazard is constant:
P(event within t | silent for s) = 1 - exp(-Σ_k Λ_k · share of bucket k in (s, s + t]) for any s and t.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FIRST_S: Final = 60.0
BUCKETS: Final = 45
EDGES_S: Final[NDArray[np.float64]] = np.concatenate([[0.0], _FIRST_S * 2.0 ** (np.arange(BUCKETS) / 2)])
"""Edges of the buckets: half an octave each, from a minute to 8 years; the last bucket has no end"""
_BUCKET_S: Final = np.diff(EDGES_S)

_WIDTH: Final = 64
_INITIAL_LOGIT: Final = -2.0


class ReturnTimeHead(nn.Module):
    """Hazards of each bucket from what a row holds."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, _WIDTH)
        self.hazard = nn.Linear(_WIDTH, BUCKETS)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Initial weights: no row differs from another."""
        nn.init.xavier_uniform_(self.hidden.weight, generator=generator)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.hazard.weight)
        nn.init.zeros_(self.hazard.bias)
        self.hazard.bias[0] = _INITIAL_LOGIT

    def forward(self, inputs: Tensor) -> Tensor:
        """[n, buckets] Λ of each bucket, from inputs [n, I]."""
        hidden, hazard, linear = self.hidden, self.hazard, nn.functional.linear  # without the calls of two modules
        z = torch.tanh(linear(inputs, hidden.weight, hidden.bias))
        return nn.functional.softplus(linear(z, hazard.weight, hazard.bias).cumsum(1))


def bucket_shares(low_s: NDArray[np.float64], high_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """[n, buckets] share of each bucket that lies in (low, high] [n]; the last one, without end, counts by octaves."""
    passed: NDArray[np.float32] = bucket_progress(np.maximum(low_s, high_s)) - bucket_progress(low_s)
    return passed


def bucket_progress(time_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """[..., buckets] share of each bucket that lies before these times [...]."""
    time = time_s[..., None]
    progress = np.clip((time - EDGES_S[:-1]) / (EDGES_S[1:] - EDGES_S[:-1]), 0, 1)
    progress[..., -1] += _octaves_beyond(time_s)
    return progress.astype(np.float32)


def _octaves_beyond(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half octaves of times beyond the last edge; 0 before it."""
    beyond: NDArray[np.float64] = np.log(np.maximum(time_s, EDGES_S[-1]) / EDGES_S[-1]) / np.log(2**0.5)
    return beyond


def cumulative_hazard(hazard: NDArray[np.float32], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, T] Σ_k Λ_k · share of bucket k before times [n, T] since the last event, from Λ [n, buckets]."""
    before = np.zeros((len(hazard), BUCKETS + 1))
    np.cumsum(hazard, axis=1, out=before[:, 1:])
    bucket = (np.searchsorted(EDGES_S, time_s, side="right") - 1).clip(0, BUCKETS - 1)
    share = np.minimum((time_s - EDGES_S[bucket]) / _BUCKET_S[bucket], 1) + _octaves_beyond(time_s)
    row = np.arange(len(hazard))[:, None]
    total: NDArray[np.float64] = before[row, bucket] + share * hazard[row, bucket]
    return total


def event_share(
    low_s: NDArray[np.float64], high_s: NDArray[np.float64], event_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """[n, buckets] share of the event's bucket that lies in (low, high]; 0 elsewhere, and where event_s [n] is NaN."""
    bucket = (np.searchsorted(EDGES_S, np.nan_to_num(event_s), side="left") - 1).clip(0, BUCKETS - 1)
    rows = np.arange(len(bucket))
    shares = np.zeros((len(bucket), BUCKETS), np.float32)
    begin, end = EDGES_S[bucket], np.where(bucket < BUCKETS - 1, EDGES_S[bucket + 1], np.inf)
    shares[rows, bucket] = bucket_shares(np.maximum(low_s, begin), np.minimum(high_s, end))[rows, bucket]
    shares[np.isnan(event_s)] = 0
    return shares


def return_loss(hazard: Tensor, before: Tensor, event_bucket: Tensor) -> Tensor:
    """[n] negative log-likelihood of intervals of silence and of what ended them.

    `before` [n, buckets]: shares of the buckets that passed without event; `event_bucket` [n, buckets]: that of the one
    in which the event came, all 0 where none came (censored).
    """
    survived = (hazard * before).sum(1)
    ended = (hazard * event_bucket).sum(1)
    has_event = (event_bucket > 0).any(1)
    # log(1 - exp(-Λ)); the clamp keeps the gradient finite where Λ underflows.
    log_event = torch.log(-torch.expm1(-ended.clamp_min(1e-7)))
    return survived - torch.where(has_event, log_event, torch.zeros_like(log_event))
