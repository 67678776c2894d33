"""Quality: how well each scorer predicts each log, as tables to read and as JSON to compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.table import Table

from bench.errors import BenchError
from bench.quality import metrics
from bench.quality.bootstrap import Difference, paired
from bench.quality.counters import counter_scorer
from bench.quality.counters.rating_means import RatingMeans
from bench.quality.datasets import Dataset
from bench.quality.protocols import Outcome
from bench.quality.scorer import Scorer, Scores
from bench.quality.worker_scorer import WorkerScorer
from streams.settings.recipes import DEFAULT, RECIPES
from streams.settings.settings import recipe_settings

REFERENCE = "mix"
"""The scorer that differences are taken from: the best counter"""

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
class Effort:
    """How the worker is run."""

    batch_events: int = 128
    seed: int = 0
    threads: int = 1
    trained: bool = False
    """Whether it is trained on the past before, or learns from nothing in the pass that is scored"""
    overrides: tuple[str, ...] = ()
    """Settings of the form section.key=value"""

    def name(self, kind: str) -> str:
        """What its results are kept under: runs that differ don't replace each other."""
        parts = [kind]
        if self.trained:
            parts.append("trained")
        if self.batch_events != Effort.batch_events:
            parts.append(f"batches of {self.batch_events}")
        if self.seed:
            parts.append(f"seed {self.seed}")
        parts += self.overrides
        return ", ".join(parts)


def _worker(recipe: str, name: str, **model: Any) -> Callable[[Dataset, Effort], Scorer]:
    def made(dataset: Dataset, effort: Effort) -> Scorer:
        settings = recipe_settings(recipe, effort.overrides)
        config = replace(
            settings.model, allow_repeats=dataset.repeats == "allow", seed=effort.seed, threads=effort.threads, **model
        )
        training = settings.training if effort.trained else None
        return WorkerScorer(dataset, config, settings.learning, training, effort.batch_events, effort.name(name))

    return made


SCORERS: dict[str, Callable[[Dataset, Effort], Scorer]] = {
    "popularity": lambda dataset, _: counter_scorer.popularity(dataset),
    "markov": lambda dataset, _: counter_scorer.markov(dataset),
    "mix": lambda dataset, _: counter_scorer.mix(dataset),
    "ratings": lambda dataset, _: RatingMeans(dataset),
    "network": _worker(DEFAULT, "network", experts=False),
    "worker": _worker(DEFAULT, "worker"),
    **{name: _worker(name, name) for name in RECIPES if name != DEFAULT},
}
"""What can be scored, by name; `network` is the worker without its count experts, the last are recipes"""

DEFAULT_SCORERS = ("popularity", "markov", "mix", "worker")


def scorers(dataset: Dataset, names: Sequence[str], effort: Effort) -> list[Scorer]:
    """New scorers of these names for the log. BenchError for an unknown one."""
    unknown = [name for name in names if name not in SCORERS]
    if unknown:
        raise BenchError(f"no scorer is called {', '.join(unknown)}; there are {', '.join(SCORERS)}")
    return [SCORERS[name](dataset, effort) for name in dict.fromkeys(names)]


def figures(outcome: Outcome, effort: Effort, seconds: float) -> Figures:
    """Everything that is measured of one outcome; None where the scorer doesn't say."""
    scores = outcome.scores
    rank = scores.rank
    found: Figures = {
        "protocol": outcome.plan.protocol,
        "events": len(rank),
        "seed": effort.seed,
        "recall_at_10": metrics.recall(rank, 10),
        "recall_at_20": metrics.recall(rank, 20),
        "mrr_at_20": metrics.mrr(rank, 20),
        "mrr": metrics.mrr(rank),
        "ndcg_at_10": metrics.ndcg(rank, 10),
        "precision_at_10": metrics.precision(rank, 10),
        "f1_at_10": metrics.f1(rank, 10),
        "accuracy": metrics.accuracy(scores.top1_hit),
        "auc": metrics.auc(rank, outcome.candidates),
        "coverage_at_10": metrics.coverage(scores.shown, outcome.items),
        "log_loss": metrics.log_loss(scores.log_p),
        "ece": metrics.calibration_error(scores.top1_p, scores.top1_hit),
        "mae": metrics.mae(scores.value, outcome.events.value),
        "rmse": metrics.rmse(scores.value, outcome.events.value),
        "reachable": float((rank < math.inf).mean()),
        "us_per_event": round(1e6 * seconds / (len(outcome.plan.past) + len(rank)), 1),
    }
    return {
        name: (None if math.isnan(value) else round(value, 5)) if isinstance(value, float) else value
        for name, value in found.items()
    }


_DIFFERENCES: dict[str, Callable[[Scores], metrics.Numbers]] = {
    "recall_at_10": lambda scores: metrics.recall_each(scores.rank, 10),
    "recall_at_20": lambda scores: metrics.recall_each(scores.rank, 20),
    "mrr_at_20": lambda scores: metrics.reciprocal_each(scores.rank, 20),
    "ndcg_at_10": lambda scores: metrics.gain_each(scores.rank, 10),
    "log_loss": lambda scores: metrics.loss_each(scores.log_p),
}
"""What is compared event by event"""


def differences(first: Outcome, second: Outcome) -> dict[str, Difference]:
    """First less second over the same events, by metric; resampled by users. Positive log-loss is worse."""
    return {
        key: paired(each(first.scores), each(second.scores), first.events.user) for key, each in _DIFFERENCES.items()
    }


class LogReport:
    """All outcomes on one log under one protocol."""

    def __init__(self, dataset: Dataset, protocol: str) -> None:
        self.title = f"{dataset.name}, {protocol}"
        self.stem = dataset.name if protocol == DEFAULT_PROTOCOL else f"{dataset.name}-{protocol}"
        """Beginning of file names"""
        self._log = dataset.name
        self._suffix = "" if protocol == DEFAULT_PROTOCOL else f", {protocol}"
        self.outcomes: dict[str, Outcome] = {}
        self._figures: dict[str, Figures] = {}

    def add(self, name: str, outcome: Outcome, figures: Figures) -> None:
        """One scorer's outcome."""
        self.outcomes[name] = outcome
        self._figures[name] = figures

    @property
    def reference(self) -> str | None:
        """The scorer that the others are compared with: `mix`, None where there are no others or no `mix`."""
        return REFERENCE if REFERENCE in self.outcomes and len(self.outcomes) > 1 else None

    def table(self) -> Table:
        """Every figure that any scorer gives, a row each."""
        events = max((found["events"] for found in self._figures.values()), default=0)
        table = self._table(f"{self.title}: {events:,} events scored")
        for key, title in _TITLES.items():
            values = [found[key] for found in self._figures.values()]
            if any(value is not None for value in values):
                table.add_row(title, *(_shown(key, value) for value in values))
        return table

    def difference_table(self) -> Table | None:
        """What each scorer adds to the reference, ± standard error; None without a reference."""
        if self.reference is None:
            return None
        table = self._table(f"{self.title}: less {self.reference} (± standard error)", without=self.reference)
        minus = self._minus()
        for key in _DIFFERENCES:
            table.add_row(_TITLES[key], *(_with_error(by_metric[key]) for by_metric in minus.values()))
        return table

    def _table(self, title: str, without: str = "") -> Table:
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("", no_wrap=True)
        for name in self.outcomes:
            if name != without:
                table.add_column(name, justify="right")
        return table

    def results(self) -> dict[str, dict[str, Figures]]:
        """Figures by log and scorer, with the differences from the reference."""
        minus = self._minus()
        results = {}
        for name, found in self._figures.items():
            kept = dict(found)
            if name in minus:
                kept[f"less_{self.reference}"] = {
                    metric: {"mean": round(each.mean, 5), "error": round(each.error, 5)}
                    for metric, each in minus[name].items()
                    if not math.isnan(each.mean)
                }
            results[name + self._suffix] = kept
        return {self._log: results}

    def _minus(self) -> dict[str, dict[str, Difference]]:
        if self.reference is None:
            return {}
        base = self.outcomes[self.reference]
        others = {name: outcome for name, outcome in self.outcomes.items() if name != self.reference}
        return {name: differences(outcome, base) for name, outcome in others.items()}


def merge(file: Path, results: Mapping[str, Mapping[str, Figures]]) -> None:
    """Put the results into the file beside those it holds; same log and same scorer are replaced."""
    held: dict[str, dict[str, Figures]] = {}
    if file.exists():
        try:
            held = msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, Figures]])
        except msgspec.DecodeError as error:
            raise BenchError(f"{file} holds no results ({error}): move it away, or write to another file") from error
    for log, by_scorer in results.items():
        held[log] = dict(sorted((held.get(log, {}) | dict(by_scorer)).items()))
    file.parent.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.encode(dict(sorted(held.items())))
    file.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if key == "us_per_event" else f"{value:.4f}"


def _with_error(each: Difference) -> str:
    if math.isnan(each.mean):
        return "-"
    # Without the leading zeros four scorers fit on a narrow screen.
    return f"{each.mean:+.4f} ± {each.error:.4f}".replace("+0.", "+.").replace("-0.", "-.").replace(" 0.", " .")
