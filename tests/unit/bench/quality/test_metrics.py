import math

import numpy as np
import pytest

from bench.quality import metrics

RANK = np.array([1.0, 2.0, 4.5, 11.0, np.inf])
EMPTY = np.array([])


def test_recall_is_the_share_of_events_within_k() -> None:
    assert metrics.recall(RANK, 10) == pytest.approx(3 / 5)
    assert metrics.recall(RANK, 4) == pytest.approx(2 / 5)
    assert metrics.recall(RANK, 20) == pytest.approx(4 / 5)


def test_reciprocal_rank_counts_within_k() -> None:
    assert metrics.mrr(RANK, 10) == pytest.approx((1 + 1 / 2 + 1 / 4.5) / 5)
    assert metrics.mrr(RANK) == pytest.approx((1 + 1 / 2 + 1 / 4.5 + 1 / 11) / 5)


def test_ndcg_falls_with_the_logarithm_of_the_rank() -> None:
    # Järvelin & Kekäläinen's discount: 1, 1 / log2(3), 1 / log2(5.5).
    assert metrics.ndcg(RANK, 10) == pytest.approx((1 + 0.63092975 + 0.40660 + 0 + 0) / 5, abs=1e-5)
    assert metrics.ndcg(np.array([3.0]), 10) == pytest.approx(0.5)


def test_precision_and_f1_follow_from_one_true_item() -> None:
    # Hits at 10: precision 1/10 and recall 1 per_event, so F1 = 2/11; misses have 0.
    assert metrics.precision(RANK, 10) == pytest.approx(3 / 50)
    assert metrics.f1(RANK, 10) == pytest.approx(3 / 5 * 2 / 11)
    assert metrics.f1(RANK, 1) == pytest.approx(metrics.precision(RANK, 1)) == pytest.approx(1 / 5)


def test_accuracy_is_the_share_of_hits() -> None:
    assert metrics.accuracy(np.array([True, False, False, True])) == 0.5


def test_coverage_is_the_share_of_items_in_any_list() -> None:
    assert metrics.coverage(np.array([[1, 2, 0], [2, 5, 0]]), 10) == pytest.approx(3 / 10)
    assert metrics.coverage(np.array([[3, 4]]), 4) == pytest.approx(2 / 4)


def test_auc_is_the_share_of_other_candidates_below() -> None:
    # Of 5 candidates: first is above all 4 others, third above 2, shared second and third above 2.5.
    rank = np.array([1.0, 3.0, 2.5, 5.0, np.inf])
    per_event = metrics.auc_per_event(rank, np.full(5, 5))
    np.testing.assert_allclose(per_event[:4], [1, 2 / 4, 2.5 / 4, 0])
    assert math.isnan(per_event[4])
    assert metrics.auc(rank, np.full(5, 5)) == pytest.approx((1 + 0.5 + 0.625) / 4)
    assert math.isnan(metrics.auc(np.array([1.0]), np.array([1])))


def test_log_loss_leaves_out_items_that_were_no_candidates() -> None:
    assert metrics.log_loss(np.log([0.5, 0.25])) == pytest.approx(1.5 * math.log(2))
    assert metrics.log_loss(np.array([math.log(0.5), -np.inf, np.nan])) == pytest.approx(math.log(2))


def test_errors_of_ratings_are_over_those_that_are_known() -> None:
    expected, value = np.array([3.0, 4.0, 2.0, np.nan]), np.array([4.0, 2.0, np.nan, 1.0])
    assert metrics.mae(expected, value) == pytest.approx(1.5)
    assert metrics.rmse(expected, value) == pytest.approx(math.sqrt(2.5))


def test_reliability_has_the_means_of_each_bin() -> None:
    p = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 1.0])
    hit = np.array([False, False, True, True, False, True])
    curve = metrics.reliability(p, hit, np.array([0.0, 0.2, 0.4, 1.0]))
    np.testing.assert_allclose(curve.p, [0.1, 0.7])
    np.testing.assert_allclose(curve.hit, [1 / 3, 2 / 3])
    assert curve.count.tolist() == [3, 3]


def test_calibration_error_weights_bins_by_their_events() -> None:
    # 3 events at .95, of which 2 hit; 1 at .25, a hit: (3 |.95 - 2/3| + 1 |.25 - 1|) / 4.
    p = np.array([0.95, 0.95, 0.95, 0.25])
    hit = np.array([True, True, False, True])
    assert metrics.calibration_error(p, hit) == pytest.approx((0.85 + 0.75) / 4)
    assert metrics.calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx(0)


def test_metrics_without_events_are_nan() -> None:
    no_hits = EMPTY.astype(np.bool_)
    values = (
        metrics.recall(EMPTY, 10),
        metrics.mrr(EMPTY),
        metrics.ndcg(EMPTY, 10),
        metrics.accuracy(no_hits),
        metrics.log_loss(EMPTY),
        metrics.calibration_error(EMPTY, no_hits),
        metrics.mae(EMPTY, EMPTY),
        metrics.rmse(EMPTY, EMPTY),
        metrics.auc(EMPTY, EMPTY.astype(np.int64)),
    )
    assert all(math.isnan(value) for value in values)
