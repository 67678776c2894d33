"""Quality report: metrics of each scorer on a dataset, differences from a reference, as tables and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rich import box
from rich.table import Table

from bench.errors import BenchError
from bench.quality import metrics
from bench.quality.bootstrap import Difference, paired_difference
from bench.quality.counters.counter_scorer import markov_scorer, mix_scorer, popularity_scorer
from bench.quality.counters.rating_means import RatingMeans
from bench.quality.datasets import Dataset
from bench.quality.protocols import ScorerResult
from bench.quality.scorer import EventScores, Scorer
from bench.quality.worker_scorer import WorkerScorer
from streams.settings.recipes import DEFAULT, RECIPES

REFERENCE = "mix"
"""The scorer that the others are compared with: the best count-based baseline"""

DEFAULT_PROTOCOL = "prequential"

Figures = dict[str, Any]

_TITLES = {
    "recall_at_10": "recall@10",
    "recall_at_20": "recall@20",
    "mrr_at_20": "MRR@20",
    "mrr": "MRR",
    "ndcg_at_10": "NDCG@10",
    "precision_at_10": "precision@10",
    "f1_at_10": "F1@10",
    "accuracy": "accuracy (top 1)",
    "auc": "AUC",
    "coverage_at_10": "coverage of top 10",
    "log_loss": "log-loss",
    "ece": "ECE (top 1)",
    "mae": "MAE of ratings",
    "rmse": "RMSE of ratings",
    "reachable": "candidates' share",
    "us_per_event": "CPU µs per event",
}


@dataclass(frozen=True)
class WorkerOptions:
    """How the worker is run."""

    batch_events: int = 128
    seed: int = 0
    threads: int = 1
    trained: bool = False
    """Whether it is trained offline on the events to fit, or starts untrained"""
    overrides: tuple[str, ...] = ()
    """Settings, each as section.key=value"""
    restart_events: int | None = None
    """Events between two restarts of the learner"""
    float32_rows: bool = False
    """Whether users' states are kept in single instead of half precision"""

    def result_name(self, scorer: str) -> str:
        """Name of its results in the file, different for every combination of options."""
        parts = [scorer]
        if self.trained:
            parts.append("trained")
        if self.batch_events != WorkerOptions.batch_events:
            parts.append(f"batches of {self.batch_events}")
        if self.seed:
            parts.append(f"seed {self.seed}")
        if self.restart_events is not None:
            parts.append(f"restart each {self.restart_events} events")
        if self.float32_rows:
            parts.append("float32 rows")
        parts += self.overrides
        return ", ".join(parts)


def _worker(recipe: str, name: str, **model: Any) -> Callable[[Dataset, WorkerOptions], Scorer]:
    def make(dataset: Dataset, options: WorkerOptions) -> Scorer:
        # Imported here: the other scorers need no pydantic.
        from streams.settings.settings import recipe_settings

        settings = recipe_settings(recipe, options.overrides)
        config = replace(
            settings.model, allow_repeats=dataset.allow_repeats, seed=options.seed, threads=options.threads, **model
        )
        training = settings.training if options.trained else None
        return WorkerScorer(
            dataset,
            config,
            settings.learning,
            training,
            options.batch_events,
            options.result_name(name),
            options.restart_events,
            options.float32_rows,
        )

    return make


SCORERS: dict[str, Callable[[Dataset, WorkerOptions], Scorer]] = {
    "popularity": lambda dataset, _: popularity_scorer(dataset),
    "markov": lambda dataset, _: markov_scorer(dataset),
    "mix": lambda dataset, _: mix_scorer(dataset),
    "ratings": lambda dataset, _: RatingMeans(dataset),
    "network": _worker(DEFAULT, "network", experts=False),
    "worker": _worker(DEFAULT, "worker"),
    **{name: _worker(name, name) for name in RECIPES if name != DEFAULT},
}
"""Scorers by name; `network` is the worker without count experts, the last ones are recipes"""

DEFAULT_SCORERS = ("popularity", "markov", "mix", "worker")


def make_scorers(dataset: Dataset, names: Sequence[str], options: WorkerOptions) -> list[Scorer]:
    """New scorers of these names for the dataset. Raises BenchError for an unknown name."""
    unknown = [name for name in names if name not in SCORERS]
    if unknown:
        raise BenchError(f"no scorer is called {', '.join(unknown)}; there are {', '.join(SCORERS)}")
    return [SCORERS[name](dataset, options) for name in dict.fromkeys(names)]


def compute_figures(result: ScorerResult, options: WorkerOptions, seconds: float) -> Figures:
    """All metrics of one result; None where the scorer has no values."""
    scores = result.scores
    rank = scores.rank
    figures: Figures = {
        "protocol": result.split.protocol,
        "events": len(rank),
        "seed": options.seed,
        "recall_at_10": metrics.recall(rank, 10),
        "recall_at_20": metrics.recall(rank, 20),
        "mrr_at_20": metrics.mrr(rank, 20),
        "mrr": metrics.mrr(rank),
        "ndcg_at_10": metrics.ndcg(rank, 10),
        "precision_at_10": metrics.precision(rank, 10),
        "f1_at_10": metrics.f1(rank, 10),
        "accuracy": metrics.accuracy(scores.top1_hit),
        "auc": metrics.auc(rank, result.candidates),
        "coverage_at_10": metrics.coverage(scores.top_items, result.items),
        "log_loss": metrics.log_loss(scores.log_p),
        "ece": metrics.calibration_error(scores.top1_p, scores.top1_hit),
        "mae": metrics.mae(scores.expected_value, result.events.value),
        "rmse": metrics.rmse(scores.expected_value, result.events.value),
        "reachable": float((rank < math.inf).mean()),
        "us_per_event": round(1e6 * seconds / (len(result.split.replayed) + len(rank)), 1),
    }
    return {
        name: (None if math.isnan(value) else round(value, 5)) if isinstance(value, float) else value
        for name, value in figures.items()
    }


_PER_EVENT_METRICS: dict[str, Callable[[EventScores], metrics.Floats]] = {
    "recall_at_10": lambda scores: metrics.recall_per_event(scores.rank, 10),
    "recall_at_20": lambda scores: metrics.recall_per_event(scores.rank, 20),
    "mrr_at_20": lambda scores: metrics.reciprocal_rank_per_event(scores.rank, 20),
    "ndcg_at_10": lambda scores: metrics.dcg_per_event(scores.rank, 10),
    "log_loss": lambda scores: metrics.log_loss_per_event(scores.log_p),
}
"""Metrics whose differences are computed event by event"""


def differences(first: ScorerResult, second: ScorerResult) -> dict[str, Difference]:
    """First minus second over the same events, by metric, resampled by users; a positive log-loss is worse."""
    return {
        key: paired_difference(metric(first.scores), metric(second.scores), first.events.user)
        for key, metric in _PER_EVENT_METRICS.items()
    }


class QualityReport:
    """Results of all scorers on one dataset under one protocol."""

    def __init__(self, dataset: Dataset, protocol: str) -> None:
        self.title = f"{dataset.name}, {protocol}"
        self.file_stem = dataset.name if protocol == DEFAULT_PROTOCOL else f"{dataset.name}-{protocol}"
        """Start of file names"""
        self._log = dataset.name
        self._suffix = "" if protocol == DEFAULT_PROTOCOL else f", {protocol}"
        self.results: dict[str, ScorerResult] = {}
        self._figures: dict[str, Figures] = {}

    def add(self, name: str, result: ScorerResult, figures: Figures) -> None:
        """Add one scorer's result."""
        self.results[name] = result
        self._figures[name] = figures

    @property
    def reference(self) -> str | None:
        """`mix` if it is among several scorers, else None."""
        return REFERENCE if REFERENCE in self.results and len(self.results) > 1 else None

    def table(self) -> Table:
        """One row per metric that any scorer has."""
        events = max((figures["events"] for figures in self._figures.values()), default=0)
        table = self._table(f"{self.title}: {events:,} events scored")
        for key, title in _TITLES.items():
            values = [figures[key] for figures in self._figures.values()]
            if any(value is not None for value in values):
                table.add_row(title, *(_format_figure(key, value) for value in values))
        return table

    def difference_table(self) -> Table | None:
        """Each scorer minus the reference, ± standard error; None without a reference."""
        if self.reference is None:
            return None
        table = self._table(f"{self.title}: minus {self.reference} (± standard error)", without=self.reference)
        by_scorer = self._differences()
        for key in _PER_EVENT_METRICS:
            table.add_row(_TITLES[key], *(_format_difference(by_metric[key]) for by_metric in by_scorer.values()))
        return table

    def _table(self, title: str, without: str = "") -> Table:
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("", no_wrap=True)
        for name in self.results:
            if name != without:
                table.add_column(name, justify="right")
        return table

    def to_json(self) -> dict[str, dict[str, Figures]]:
        """Figures by dataset and scorer, with the differences from the reference."""
        by_scorer = self._differences()
        results = {}
        for name, figures in self._figures.items():
            saved = dict(figures)
            if name in by_scorer:
                saved[f"less_{self.reference}"] = {
                    metric: {"mean": round(difference.mean, 5), "error": round(difference.error, 5)}
                    for metric, difference in by_scorer[name].items()
                    if not math.isnan(difference.mean)
                }
            results[name + self._suffix] = saved
        return {self._log: results}

    def _differences(self) -> dict[str, dict[str, Difference]]:
        if self.reference is None:
            return {}
        base = self.results[self.reference]
        others = {name: result for name, result in self.results.items() if name != self.reference}
        return {name: differences(result, base) for name, result in others.items()}


def merge_results(file: Path, results: Mapping[str, Mapping[str, Figures]]) -> None:
    """Merge the results into the file; those of the same dataset and scorer are replaced."""
    merged = _read_results(file) if file.exists() else {}
    for log, by_scorer in results.items():
        merged[log] = dict(sorted((merged.get(log, {}) | dict(by_scorer)).items()))
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(merged.items())), ensure_ascii=False, indent=2)
    file.write_text(text + "\n", encoding="utf-8")


def _read_results(file: Path) -> dict[str, dict[str, Figures]]:
    try:
        results = json.loads(file.read_bytes())
    except ValueError as error:
        raise _no_results(file, str(error)) from error
    logs = results.values() if isinstance(results, dict) else [None]
    if not all(isinstance(log, dict) and all(isinstance(figures, dict) for figures in log.values()) for log in logs):
        raise _no_results(file, "it is JSON of another form")
    return cast(dict[str, dict[str, Figures]], results)


def _no_results(file: Path, fault: str) -> BenchError:
    return BenchError(f"{file} has no results of this benchmark ({fault}): move it, or write to another file")


def _format_figure(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if key == "us_per_event" else f"{value:.4f}"


def _format_difference(difference: Difference) -> str:
    if math.isnan(difference.mean):
        return "-"
    # Without the leading zeros four scorers fit on a narrow screen.
    return (
        f"{difference.mean:+.4f} ± {difference.error:.4f}".replace("+0.", "+.")
        .replace("-0.", "-.")
        .replace(" 0.", " .")
    )
