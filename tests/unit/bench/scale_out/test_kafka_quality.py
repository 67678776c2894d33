"""Figures of several runs, and the log-loss of windows that slide."""

from __future__ import annotations

import pytest

from bench.scale_out.kafka_quality import KafkaQuality, mean_log_loss, mean_of
from streams.schema.quality import Means, WorkerQuality


def run(recall: float, log_loss: float | None = 5.0) -> KafkaQuality:
    return KafkaQuality(recall, 0.3, 0.09, log_loss, 2500.0, 10.0, 5.0, 1.0)


def record(worker: str, scored: int, log_loss: float | None, possible: int | None = None) -> WorkerQuality:
    window = min(scored, 100)
    return WorkerQuality(
        recall_at_10=0.1, mrr=0.1, log_loss=log_loss, worker=worker, emitted_at=0, model_version="00000001.1",
        events=4 * scored, scored=scored, window=window, possible=window if possible is None else possible,
        popularity=Means(0.0, 0.0, None),
    )  # fmt: skip


def test_the_mean_of_runs_says_how_far_they_are_apart() -> None:
    figures = mean_of([run(0.2), run(0.25), run(0.24)])
    assert figures["recall_at_10"] == pytest.approx(0.23)
    assert figures["spread"] == {
        "recall_at_10": [0.2, 0.25], "recall_at_20": [0.3, 0.3], "mrr": [0.09, 0.09], "log_loss": [5.0, 5.0],
        "events_per_s": [2500.0, 2500.0], "workers_cpu_s": [10.0, 10.0], "trainer_cpu_s": [5.0, 5.0],
        "learnt_share": [1.0, 1.0],
    }  # fmt: skip
    runs = figures["runs"]
    assert isinstance(runs, list)
    assert [of["recall_at_10"] for of in runs] == [0.2, 0.25, 0.24]


def test_a_figure_that_a_run_lacks_has_no_mean() -> None:
    figures = mean_of([run(0.2, None), run(0.2)])
    assert figures["log_loss"] is None
    spread = figures["spread"]
    assert isinstance(spread, dict)
    assert "log_loss" not in spread


def test_the_log_loss_is_that_of_the_last_windows_which_do_not_overlap() -> None:
    records = [
        record("a", scored, loss) for scored, loss in ((500, 9.0), (780, 3.0), (850, 7.0), (900, 4.0), (1000, 5.0))
    ]
    assert mean_log_loss(records, 0.31) == pytest.approx((5.0 + 4.0) / 2)  # 850 overlaps 900, 780 begins too soon
    records[1] = record("a", 800, 3.0)
    assert mean_log_loss(records, 0.3) == pytest.approx((5.0 + 4.0 + 3.0) / 3)


def test_each_worker_has_its_last_window_in_the_log_loss_by_what_could_be_predicted() -> None:
    records = [record("a", 100, 5.0, possible=30), record("b", 40, 3.0, possible=10), record("c", 4, None, possible=0)]
    assert mean_log_loss(records, 0.3) == pytest.approx((30 * 5.0 + 10 * 3.0) / 40)
    assert mean_log_loss([], 0.3) is None


def test_while_nothing_has_left_the_window_the_last_part_is_a_difference() -> None:
    records = [record("a", 50, 9.0, possible=40), record("a", 70, 8.0, possible=50), record("a", 100, 7.0, possible=80)]
    assert mean_log_loss(records, 0.3) == pytest.approx((80 * 7.0 - 50 * 8.0) / 30)
