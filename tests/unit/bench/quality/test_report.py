import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.quality.counters.counter_scorer import markov, mix
from bench.quality.protocols import plan, replay
from bench.quality.report import SCORERS, Effort, LogReport, differences, figures, merge, scorers
from streams.settings.recipes import RECIPES
from tests.unit.bench.small_logs import random_log

LOG = random_log()
PROMISED = {
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
def report() -> LogReport:
    made = LogReport(LOG, "prequential")
    for scorer in (markov(LOG), mix(LOG)):
        outcome = replay(LOG, plan(LOG, "prequential"), scorer, lambda done, total: None)
        made.add(scorer.name, outcome, figures(outcome, Effort(seed=3), seconds=1.0))
    return made


def test_results_have_the_promised_keys(report: LogReport) -> None:
    results = report.results()["small"]
    assert set(results) == {"markov", "mix"}
    for found in results.values():
        assert set(found) >= PROMISED
        assert (found["protocol"], found["events"], found["seed"]) == ("prequential", 600, 3)
        assert found["mae"] is None
        assert found["us_per_event"] == 500
    assert results["markov"]["less_mix"]["recall_at_10"]["error"] > 0
    assert "less_mix" not in results["mix"]


def test_differences_are_those_of_the_means(report: LogReport) -> None:
    found = differences(report.outcomes["markov"], report.outcomes["mix"])
    results = report.results()["small"]
    for key, each in found.items():
        assert each.mean == pytest.approx(results["markov"][key] - results["mix"][key], abs=2e-5)


def test_other_protocols_and_efforts_have_names_of_their_own() -> None:
    other = LogReport(LOG, "split")
    outcome = replay(LOG, plan(LOG, "split"), mix(LOG), lambda done, total: None)
    other.add("mix", outcome, figures(outcome, Effort(), 1.0))
    assert set(other.results()["small"]) == {"mix, split"}
    assert other.stem == "small-split"
    assert other.difference_table() is None
    assert Effort().name("worker") == "worker"
    effort = Effort(batch_events=32, seed=1, trained=True, overrides=("model.history_length=9",))
    assert effort.name("network") == "network, trained, batches of 32, seed 1, model.history_length=9"


def test_tables_fit_a_narrow_screen(report: LogReport) -> None:
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
    merge(file, {"b": {"x": {"events": 1}, "y": {"events": 2}}})
    merge(file, {"b": {"x": {"events": 3}}, "a": {"x": {"events": 4}}})
    assert json.loads(file.read_text()) == {
        "a": {"x": {"events": 4}},
        "b": {"x": {"events": 3}, "y": {"events": 2}},
    }
    assert list(json.loads(file.read_text())) == ["a", "b"]


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    file.write_text("[1, 2]")
    with pytest.raises(BenchError, match="holds no results"):
        merge(file, {"a": {"x": {"events": 4}}})
    assert file.read_text() == "[1, 2]"


def test_scorers_are_made_once_each_by_name() -> None:
    made = scorers(LOG, ["mix", "ratings", "mix"], Effort())
    assert [scorer.name for scorer in made] == ["mix", "ratings"]
    with pytest.raises(BenchError, match="there are popularity, markov"):
        scorers(LOG, ["luck"], Effort())


def test_every_recipe_is_a_scorer_by_its_name() -> None:
    made = scorers(LOG, ["fusion", "horizon"], Effort(batch_events=32))
    assert [scorer.name for scorer in made] == ["fusion, batches of 32", "horizon, batches of 32"]
    assert set(RECIPES) - set(SCORERS) == {"default"}  # which is the worker
