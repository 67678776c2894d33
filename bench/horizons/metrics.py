"""Metrics of probabilities of events that come or do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.quality.metrics import calibration_error

Floats = NDArray[np.float64]

_MIN_P = 1e-6


def auc(p: Floats, label: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties counted half; NaN where all labels are alike."""
    positive = int(label.sum())
    negative = len(label) - positive
    if not positive or not negative:
        return float("nan")
    _, index, count = np.unique(p, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    return float((mean_rank[index[label]].sum() - positive * (positive + 1) / 2) / positive / negative)


def log_loss(p: Floats, label: NDArray[np.bool_]) -> float:
    """Mean negative log-likelihood in nats."""
    p = p.clip(_MIN_P, 1 - _MIN_P)
    return float(-np.where(label, np.log(p), np.log1p(-p)).mean())


def brier(p: Floats, label: NDArray[np.bool_]) -> float:
    """Mean squared error."""
    return float(((p - label) ** 2).mean())


def f1_threshold(p: Floats, label: NDArray[np.bool_]) -> float:
    """The threshold above which F1 of these is largest."""
    order = np.argsort(-p)
    hits = np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(p) + 1) + label.sum())
    return float(p[order[int(f1.argmax())]])


def roc_curve(p: Floats, label: NDArray[np.bool_], points: int = 101) -> tuple[Floats, Floats]:
    """False and true positive rates at thresholds that fall."""
    order = np.argsort(-p)
    point = np.linspace(0, len(p) - 1, points).round().astype(np.int64)
    true, false = np.cumsum(label[order]), np.cumsum(~label[order])
    return false[point] / max(int(false[-1]), 1), true[point] / max(int(true[-1]), 1)


def figures(p: Floats, label: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    """All metrics; those of decisions at the threshold, which was chosen on other questions."""
    positive = p >= threshold
    hits = float((positive & label).sum())
    precision, recall = hits / max(positive.sum(), 1), hits / max(label.sum(), 1)
    values = {
        "auc": auc(p, label),
        "f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "brier": brier(p, label),
        "log_loss": log_loss(p, label),
        "ece": calibration_error(p, label),
        "accuracy": float((positive == label).mean()),
        "precision": precision,
        "recall": recall,
        "threshold": threshold,
    }
    return {name: round(float(value), 5) for name, value in values.items()}
