from pathlib import Path

import pytest

from bench.quality.counters.counter_scorer import markov_scorer, mix_scorer, popularity_scorer
from bench.quality.datasets import Dataset
from bench.quality.pictures import save_pictures
from bench.quality.protocols import evaluate, split_events
from bench.quality.report import QualityReport, WorkerOptions, compute_figures
from tests.unit.bench.small_logs import make_log, random_log


def report(log: Dataset, *names: str) -> QualityReport:
    report_ = QualityReport(log, "prequential")
    for make in (popularity_scorer, markov_scorer, mix_scorer):
        scorer = make(log)
        if scorer.name in names:
            result = evaluate(log, split_events(log, "prequential"), scorer, lambda done, total: None)
            report_.add(scorer.name, result, compute_figures(result, WorkerOptions(), 1.0))
    return report_


@pytest.mark.parametrize("log", [random_log(), make_log([0, 1, 0, 1], [1, 1, 2, 2])], ids=["usual", "tiny"])
def test_every_picture_is_drawn_however_small_the_log(log: Dataset, tmp_path: Path) -> None:
    files = save_pictures(report(log, "popularity", "markov", "mix"), tmp_path / "pictures")
    assert [file.name for file in files] == ["small-recall.png", "small-reliability.png", "small-gain.png"]
    for file in files:
        assert file.read_bytes()[:4] == b"\x89PNG"
        assert file.stat().st_size > 10_000


def test_the_gain_plot_needs_a_reference(tmp_path: Path) -> None:
    files = save_pictures(report(random_log(), "markov"), tmp_path)
    assert [file.name for file in files] == ["small-recall.png", "small-reliability.png"]
