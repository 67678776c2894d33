"""Metrics of predictions of one next item per event, over arrays of their places.

A place (rank) counts from 1, is the mean of the places of equals, and is infinite for a miss. Higher is better but for
`log_loss`, `calibration_error`, `mae` and `rmse`. Everything is NaN over no events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

ECE_BINS = 15


def recall_each(rank: Numbers, k: int) -> Numbers:
    """[n] 1 where the item is among the first k."""
    return (rank <= k).astype(np.float64)


def reciprocal_each(rank: Numbers, k: float = np.inf) -> Numbers:
    """[n] 1 / rank among the first k, 0 beyond."""
    return np.where(rank <= k, 1 / rank, 0.0)


def gain_each(rank: Numbers, k: int) -> Numbers:
    """[n] 1 / log2(1 + rank) among the first k, 0 beyond."""
    return np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)


def mean(values: Numbers) -> float:
    """Mean; NaN of none, without a warning."""
    return float(values.mean()) if len(values) else float("nan")


def recall(rank: Numbers, k: int) -> float:
    """Share of events whose item is among the first k: with one item per event, also the hit rate."""
    return mean(recall_each(rank, k))


def mrr(rank: Numbers, k: float = np.inf) -> float:
    """Mean reciprocal rank, 0 beyond the first k."""
    return mean(reciprocal_each(rank, k))


def ndcg(rank: Numbers, k: int) -> float:
    """Normalised discounted cumulative gain: the ideal of one item is 1."""
    return mean(gain_each(rank, k))


def precision(rank: Numbers, k: int) -> float:
    """Share of the first k that is the event's item: at most 1 / k."""
    return recall(rank, k) / k


def f1(rank: Numbers, k: int) -> float:
    """Mean over the events of 2 P R / (P + R) at k."""
    # A hit has P = 1 / k and R = 1; a miss has 0.
    return recall(rank, k) * 2 / (k + 1)


def accuracy(hit: NDArray[np.bool_]) -> float:
    """Share of events whose item was the most probable one."""
    return mean(hit.astype(np.float64))


def coverage(shown: NDArray[np.int64], items: int) -> float:
    """Share of the items 1 … `items` that are in any of the lists; 0 pads them."""
    return float(np.count_nonzero(np.unique(shown))) / items if items else float("nan")


def auc_each(rank: Numbers, candidates: NDArray[np.int64]) -> Numbers:
    """[n] share of the other candidates that rank below the item, half of its equals among them.

    NaN where the item was no candidate or the only one.
    """
    others = candidates - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(rank) & (others > 0), (candidates - rank) / others, np.nan)


def auc(rank: Numbers, candidates: NDArray[np.int64]) -> float:
    """Mean over the events of the area under their ROC curve, where the item was a candidate."""
    each = auc_each(rank, candidates)
    return mean(each[~np.isnan(each)])


def loss_each(log_p: Numbers) -> Numbers:
    """[n] negative log-probability in nats; NaN where the item was no candidate."""
    return np.where(np.isfinite(log_p), -log_p, np.nan)


def log_loss(log_p: Numbers) -> float:
    """Mean negative log-probability in nats, where the item was a candidate."""
    each = loss_each(log_p)
    return mean(each[~np.isnan(each)])


def mae(expected: Numbers, value: Numbers) -> float:
    """Mean absolute error where both are known."""
    error = expected - value
    return mean(np.abs(error[~np.isnan(error)]))


def rmse(expected: Numbers, value: Numbers) -> float:
    """Root of the mean squared error where both are known."""
    error = expected - value
    return float(np.sqrt(mean(error[~np.isnan(error)] ** 2)))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Probabilities that were given beside how often they came true, by bins that hold any."""

    p: Numbers
    """[b] mean probability"""
    hit: Numbers
    """[b] share of hits"""
    count: NDArray[np.int64]
    """[b] events"""


def reliability(p: Numbers, hit: NDArray[np.bool_], edges: Numbers) -> Reliability:
    """Bins (edges[i], edges[i + 1]]; the first takes its lower edge too."""
    bins = np.searchsorted(edges[1:-1], p, side="left")
    count = np.bincount(bins, minlength=len(edges) - 1)
    used = count > 0
    of_p = np.bincount(bins, weights=p, minlength=len(count))[used] / count[used]
    of_hit = np.bincount(bins, weights=hit.astype(np.float64), minlength=len(count))[used] / count[used]
    return Reliability(of_p, of_hit, count[used])


def calibration_error(p: Numbers, hit: NDArray[np.bool_]) -> float:
    """Expected calibration error of the most probable item, 15 bins of one width (Guo et al., 2017)."""
    if not len(p):
        return float("nan")
    bins = reliability(p, hit, np.linspace(0, 1, ECE_BINS + 1))
    return float((np.abs(bins.p - bins.hit) * bins.count).sum() / bins.count.sum())
