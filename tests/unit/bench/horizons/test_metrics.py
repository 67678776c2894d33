from __future__ import annotations

import numpy as np
import pytest

from bench.horizons import metrics

P = np.array([0.1, 0.4, 0.35, 0.8])
LABEL = np.array([False, False, True, True])


def test_auc_counts_ties_half() -> None:
    assert metrics.auc(P, LABEL) == pytest.approx(0.75)
    assert metrics.auc(np.full(4, 0.5), LABEL) == pytest.approx(0.5)
    assert np.isnan(metrics.auc(P, np.ones(4, np.bool_)))


def test_scores_of_probabilities() -> None:
    assert metrics.brier(P, LABEL) == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert metrics.log_loss(P, LABEL) == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())


def test_decisions_at_the_best_threshold_of_f1() -> None:
    threshold = metrics.f1_threshold(P, LABEL)
    assert threshold == 0.35
    figures = metrics.figures(P, LABEL, threshold)
    assert (figures["precision"], figures["recall"]) == (0.66667, 1)
    assert figures["f1"] == pytest.approx(0.8)
    assert figures["accuracy"] == 0.75
