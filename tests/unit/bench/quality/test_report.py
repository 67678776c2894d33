import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.quality.counters.counter_scorer import markov_scorer, mix_scorer
from bench.quality.protocols import evaluate, split_events
from bench.quality.report import (
    SCORERS,
    QualityReport,
    WorkerOptions,
    compute_figures,
    differences,
    make_scorers,
    merge_results,
)
from streams.settings.recipes import RECIPES
from tests.unit.bench.small_logs import random_log

LOG = random_log()
DOCUMENTED_KEYS = {
    "protocol",
    "recall_at_10",
    "recall_at_20",
    "mrr_at_20",
    "ndcg_at_10",
    "log_loss",
    "ece",
    "events",
    "seed",
}


@pytest.fixture(scope="module")
def report() -> QualityReport:
    report = QualityReport(LOG, "prequential")
    for scorer in (markov_scorer(LOG), mix_scorer(LOG)):
        result = evaluate(LOG, split_events(LOG, "prequential"), scorer, lambda done, total: None)
        report.add(scorer.name, result, compute_figures(result, WorkerOptions(seed=3), seconds=1.0))
    return report


@pytest.mark.slow
def test_results_have_the_documented_keys(report: QualityReport) -> None:
    results = report.to_json()["small"]
    assert set(results) == {"markov", "mix"}
    for figures in results.values():
        assert set(figures) >= DOCUMENTED_KEYS
        assert (figures["protocol"], figures["events"], figures["seed"]) == ("prequential", 600, 3)
        assert figures["mae"] is None
        assert figures["us_per_event"] == 500
    assert results["markov"]["less_mix"]["recall_at_10"]["error"] > 0
    assert "less_mix" not in results["mix"]


def test_differences_are_those_of_the_means(report: QualityReport) -> None:
    by_metric = differences(report.results["markov"], report.results["mix"])
    results = report.to_json()["small"]
    for key, difference in by_metric.items():
        assert difference.mean == pytest.approx(results["markov"][key] - results["mix"][key], abs=2e-5)


@pytest.mark.slow
def test_other_protocols_and_options_have_other_names() -> None:
    other = QualityReport(LOG, "split")
    result = evaluate(LOG, split_events(LOG, "split"), mix_scorer(LOG), lambda done, total: None)
    other.add("mix", result, compute_figures(result, WorkerOptions(), 1.0))
    assert set(other.to_json()["small"]) == {"mix, split"}
    assert other.file_stem == "small-split"
    assert other.difference_table() is None
    assert WorkerOptions().result_name("worker") == "worker"
    options = WorkerOptions(batch_events=32, seed=1, trained=True, overrides=("model.history_length=9",))
    assert options.result_name("network") == "network, trained, batches of 32, seed 1, model.history_length=9"


def test_tables_fit_a_narrow_screen(report: QualityReport) -> None:
    console = Console(width=80, record=True)
    console.print(report.table())
    console.print(report.difference_table())
    text = console.export_text()
    assert "small, prequential: 600 events scored" in text
    assert "recall@10" in text
    assert " ± ." in text
    assert "RMSE" not in text
    assert "…" not in text


def test_results_are_merged_into_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "results" / "quality.json"
    merge_results(file, {"b": {"x": {"events": 1}, "y": {"events": 2}}})
    merge_results(file, {"b": {"x": {"events": 3}}, "a": {"x": {"events": 4}}})
    assert json.loads(file.read_text()) == {
        "a": {"x": {"events": 4}},
        "b": {"x": {"events": 3}, "y": {"events": 2}},
    }
    assert list(json.loads(file.read_text())) == ["a", "b"]


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    file.write_text("[1, 2]")
    with pytest.raises(BenchError, match="has no results"):
        merge_results(file, {"a": {"x": {"events": 4}}})
    assert file.read_text() == "[1, 2]"


def test_scorers_are_made_once_each_by_name() -> None:
    scorers = make_scorers(LOG, ["mix", "ratings", "mix"], WorkerOptions())
    assert [scorer.name for scorer in scorers] == ["mix", "ratings"]
    with pytest.raises(BenchError, match="there are popularity, markov"):
        make_scorers(LOG, ["luck"], WorkerOptions())


def test_every_recipe_is_a_scorer_by_its_name() -> None:
    scorers = make_scorers(LOG, ["fusion", "horizon"], WorkerOptions(batch_events=32))
    assert [scorer.name for scorer in scorers] == ["fusion, batches of 32", "horizon, batches of 32"]
    assert set(RECIPES) - set(SCORERS) == {"default"}  # which is the worker
