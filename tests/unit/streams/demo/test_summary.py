import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from streams.demo.metrics import DemoMetrics
from streams.demo.summary import DemoSummary, summarize
from streams.files.logged_event import LoggedEvent
from streams.reference_fold import InputFold, UserFold
from streams.schema.predictions import Carriers, Prediction, Source
from streams.schema.quality import Means, WorkerQuality

ROWS = {"a": UserFold(2, 2, b"a" * 16), "b": UserFold(1, 1, b"b" * 16)}
EXPECTED = InputFold(ROWS, 3, 1)


def predict(metrics: DemoMetrics, index: int, user: str, count: int) -> None:
    prediction = Prediction(
        "p", user, f"e{index}", 0, 0, "m0", count, Source("user-events", 0, index),
        [], [], 1.0, [], [], [], [], 0.0, Carriers(0.0, 0.0, 0.0, 0.0),
    )  # fmt: skip
    metrics.record_prediction(prediction, 0.1)


@pytest.fixture
def metrics() -> DemoMetrics:
    metrics = DemoMetrics(
        [LoggedEvent(user, "x", n, "view", f"e{n}") for n, user in enumerate("aba")], allow_repeats=True
    )
    metrics.record_sent(3, 0.0)
    for index, user, count in ((0, "a", 1), (1, "b", 1), (2, "a", 2)):
        predict(metrics, index, user, count)
    return metrics


def test_a_run_that_matches_the_input_has_no_faults(metrics: DemoMetrics) -> None:
    summary = summarize(metrics, 1, 2.0, EXPECTED, ROWS)
    assert json.loads(summary.to_json()) == {
        "events_in": 3,
        "events_applied": 3,
        "predictions": 3,
        "users": 2,
        "lost": 0,
        "doubled": 0,
        "rejected": 1,
        "recall_at_10": 0.0,
        "popularity_recall_at_10": 1.0,
        "events_per_s": 1.5,
        "latency_ms": {"p50": pytest.approx(100), "p99": pytest.approx(100)},
        "quality": None,
        "faults": [],
        "experiment": None,
    }


Rows = Mapping[str, UserFold]


@pytest.mark.parametrize(
    ("change", "rejected", "expected", "fault"),
    [
        (lambda rows: {**rows, "a": replace(rows["a"], count=1)}, 1, EXPECTED, "1 events lost, 0 counted twice"),
        (lambda rows: {**rows, "b": replace(rows["b"], chain=b"?" * 16)}, 1, EXPECTED, r"wrong chain of 1 users \(b\)"),
        (lambda rows: rows, 0, EXPECTED, "0 dead letters where 1 records"),
        (lambda rows: rows, 1, replace(EXPECTED, events=4), "3 events predicted of 4"),
        (lambda rows: {**rows, "b": replace(rows["b"], last_offset=9)}, 1, EXPECTED, "the last prediction of 1 users"),
    ],
)
def test_every_difference_is_a_fault(
    metrics: DemoMetrics, change: Callable[[Rows], Rows], rejected: int, expected: InputFold, fault: str
) -> None:
    assert fault_like(summarize(metrics, rejected, 2.0, expected, change(ROWS)), fault)


def test_a_repeated_prediction_is_a_fault(metrics: DemoMetrics) -> None:
    predict(metrics, 0, "a", 1)
    summary = summarize(metrics, 1, 2.0, EXPECTED, ROWS)
    assert fault_like(summary, "1 predictions came twice")
    assert summary.predictions == 4


def test_the_report_ends_with_the_comparison_with_the_input(metrics: DemoMetrics) -> None:
    good = summarize(metrics, 1, 2.0, EXPECTED, ROWS)
    assert "✓ rows and last predictions" in report(good)
    bad = report(replace(good, faults=["one thing"]))
    assert "✗ the result differs from the input" in bad
    assert "one thing" in bad


def test_the_worker_s_quality_is_in_the_report_and_the_file(metrics: DemoMetrics) -> None:
    quality = WorkerQuality(
        0.781, 0.5, 2.125, worker="w-1", emitted_at=0, model_version="00c0ffee.3", events=9, scored=2500, window=2000,
        possible=3,
        popularity=Means(0.16, None, 5.5),
    )  # fmt: skip
    summary = summarize(metrics, 1, 2.0, EXPECTED, ROWS, quality)
    assert "0.781 / 0.500 / 2.125" in report(summary)
    assert "0.160 / - / 5.500, the last 2,000 of 2,500 scored" in report(summary)
    assert msgspec.convert(json.loads(summary.to_json())["quality"], WorkerQuality) == quality


def fault_like(summary: DemoSummary, pattern: str) -> bool:
    return any(re.search(pattern, fault) for fault in summary.faults)


def report(summary: DemoSummary) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        summary.report(console)
    return captured.get()
