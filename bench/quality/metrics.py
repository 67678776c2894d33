"""Ranking, calibration and rating metrics of predictions with one relevant item per event.

A rank counts from 1; ties share their mean rank; an item that was no candidate has rank infinity. `..._per_event`
returns one value per event [n], the other functions their mean, which is NaN without events. Higher is better except
for `log_loss`, `calibration_error`, `mae` and `rmse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ECE_BINS = 15


def recall_per_event(rank: Floats, k: int) -> Floats:
    """[n] 1 if the item is among the first k, else 0."""
    return (rank <= k).astype(np.float64)


def reciprocal_rank_per_event(rank: Floats, k: float = np.inf) -> Floats:
    """[n] 1 / rank among the first k, 0 beyond."""
    return np.where(rank <= k, 1 / rank, 0.0)


def dcg_per_event(rank: Floats, k: int) -> Floats:
    """[n] 1 / log2(1 + rank) among the first k, 0 beyond."""
    return np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)


def mean(values: Floats) -> float:
    """Mean of the values; NaN if there are none."""
    return float(values.mean()) if len(values) else float("nan")


def recall(rank: Floats, k: int) -> float:
    """Share of events whose item is among the first k; with one relevant item, recall is the hit rate."""
    return mean(recall_per_event(rank, k))


def mrr(rank: Floats, k: float = np.inf) -> float:
    """Mean reciprocal rank, 0 beyond the first k."""
    return mean(reciprocal_rank_per_event(rank, k))


def ndcg(rank: Floats, k: int) -> float:
    """Normalised discounted cumulative gain; with one relevant item, the ideal DCG is 1."""
    return mean(dcg_per_event(rank, k))


def precision(rank: Floats, k: int) -> float:
    """Precision at k; with one relevant item, recall / k."""
    return recall(rank, k) / k


def f1(rank: Floats, k: int) -> float:
    """Mean of 2 P R / (P + R) at k."""
    # P = 1 / k and R = 1 for a hit, both 0 for a miss.
    return recall(rank, k) * 2 / (k + 1)


def accuracy(hit: NDArray[np.bool_]) -> float:
    """Share of events whose item was the most probable one."""
    return mean(hit.astype(np.float64))


def coverage(top_items: NDArray[np.int64], items: int) -> float:
    """Share of the items 1 … `items` that occur in any top-k list; 0 is padding."""
    return float(np.count_nonzero(np.unique(top_items))) / items if items else float("nan")


def auc_per_event(rank: Floats, candidates: NDArray[np.int64]) -> Floats:
    """[n] share of the other candidates that rank below the item, ties counted half.

    NaN if the item was no candidate, or the only one.
    """
    others = candidates - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(rank) & (others > 0), (candidates - rank) / others, np.nan)


def auc(rank: Floats, candidates: NDArray[np.int64]) -> float:
    """Mean area under the ROC curve of an event, over events whose item was a candidate."""
    return _mean_without_nan(auc_per_event(rank, candidates))


def log_loss_per_event(log_p: Floats) -> Floats:
    """[n] negative log-probability in nats; NaN if the item was no candidate."""
    return np.where(np.isfinite(log_p), -log_p, np.nan)


def log_loss(log_p: Floats) -> float:
    """Mean negative log-probability in nats, over events whose item was a candidate."""
    return _mean_without_nan(log_loss_per_event(log_p))


def mae(expected: Floats, value: Floats) -> float:
    """Mean absolute error, where both ratings are known."""
    return _mean_without_nan(np.abs(expected - value))


def rmse(expected: Floats, value: Floats) -> float:
    """Root mean squared error, where both ratings are known."""
    return float(np.sqrt(_mean_without_nan((expected - value) ** 2)))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability curve: predicted probability and observed frequency in b non-empty bins."""

    p: Floats
    """[b] mean probability"""
    hit: Floats
    """[b] share of hits"""
    count: NDArray[np.int64]
    """[b] events"""


def reliability(p: Floats, hit: NDArray[np.bool_], edges: Floats) -> Reliability:
    """Reliability in the bins (edges[i], edges[i + 1]]; the first includes its lower edge."""
    bins = np.searchsorted(edges[1:-1], p, side="left")
    count = np.bincount(bins, minlength=len(edges) - 1)
    used = count > 0
    mean_p = np.bincount(bins, weights=p, minlength=len(count))[used] / count[used]
    hit_rate = np.bincount(bins, weights=hit.astype(np.float64), minlength=len(count))[used] / count[used]
    return Reliability(mean_p, hit_rate, count[used])


def calibration_error(p: Floats, hit: NDArray[np.bool_]) -> float:
    """Expected calibration error of the most probable item, 15 bins of equal width (Guo et al., 2017)."""
    if not len(p):
        return float("nan")
    bins = reliability(p, hit, np.linspace(0, 1, ECE_BINS + 1))
    return float((np.abs(bins.p - bins.hit) * bins.count).sum() / bins.count.sum())


def _mean_without_nan(values: Floats) -> float:
    return mean(values[~np.isnan(values)])
