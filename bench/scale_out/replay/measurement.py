"""Quality by number of workers without Kafka, by replaying a log in order of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bench.quality import metrics
from bench.quality.datasets import Dataset
from bench.quality.protocols import evaluate, split_events
from bench.quality.scorer import EventScores
from bench.scale_out.replay.disturbed_scorer import DisturbedScorer
from bench.scale_out.replay.lone_scorer import LoneScorer
from bench.scale_out.replay.shared_scorer import SharedScorer
from models.config import LearnerConfig, ModelConfig
from models.progress import ProgressCallback

PROTOCOL = "prequential"


def measure_replay(
    dataset: Dataset,
    model: ModelConfig,
    learning: LearnerConfig,
    numbers: Sequence[int],
    alone: bool,
    progress_of: Callable[[str], ProgressCallback],
) -> dict[str, Any]:
    """Figures of workers with one trainer as `replay`, of workers that learn alone as `alone`, by number of workers."""
    model = replace(model, allow_repeats=dataset.allow_repeats)
    split = split_events(dataset, PROTOCOL)
    figures: dict[str, Any] = {kind: {} for kind in (["replay", "alone"] if alone else ["replay"])}
    for kind, by_workers in figures.items():
        for number in numbers:
            make = SharedScorer if kind == "replay" else LoneScorer
            scorer = make(dataset, model, learning, number)
            begin_s = time.process_time()
            scores = evaluate(dataset, split, scorer, progress_of(scorer.name)).scores
            by_workers[str(number)] = _figures(scores) | {"cpu_s": round(time.process_time() - begin_s, 1)}
            if isinstance(scorer, SharedScorer):
                sizes = scorer.release_bytes
                by_workers[str(number)] |= {"releases": len(sizes), "bytes_per_release": sum(sizes) // len(sizes)}
    return figures


def measure_disturbed(
    dataset: Dataset,
    model: ModelConfig,
    learning: LearnerConfig,
    every: int,
    progress_of: Callable[[str], ProgressCallback],
) -> dict[str, Any]:
    """Figures of two workers with one trainer, to which each kind of disturbance happens each `every` events."""
    model = replace(model, allow_repeats=dataset.allow_repeats)
    split = split_events(dataset, PROTOCOL)
    figures = {}
    for kind in DisturbedScorer.KINDS:
        scorer = DisturbedScorer(dataset, model, learning, kind, workers=2, every=every)
        figures[kind] = _figures(evaluate(dataset, split, scorer, progress_of(kind)).scores)
    return figures


def _figures(scores: EventScores) -> dict[str, Any]:
    return {
        "recall_at_10": metrics.recall(scores.rank, 10),
        "recall_at_20": metrics.recall(scores.rank, 20),
        "mrr": metrics.mrr(scores.rank, 20),
        "log_loss": metrics.log_loss(scores.log_p),
    }
