"""What a step costs with the outlook of its users, and without: CPU time of the thread, in turns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.cost.workload import ModelUnderTest, Workload
from models.data.events import EventBatch
from models.progress import ProgressCallback

Batches = Iterator[tuple[NDArray[np.int64], EventBatch]]

BATCHES: Final = (1, 32, 1000)
_ROUND_EVENTS: Final = 128
"""At least: a single micro-batch of one event is too short for the clock"""


def step_cost(
    rounds: int,
    on_progress: ProgressCallback,
    batches: Sequence[int] = BATCHES,
    workload: Workload | None = None,
    round_events: int = _ROUND_EVENTS,
) -> dict[str, dict[str, float]]:
    """By batch size: µs per event without and with `model.horizons`, and the share that it adds.

    Medians over the rounds, of step and counting; of the share, the median of the rounds' own, each of which has both.
    """
    workload = workload or Workload()
    config = workload.config(allow_repeats=True)
    models = [ModelUnderTest(workload, replace(config, horizons=on)) for on in (False, True)]
    results, done = {}, 0
    for size in batches:
        streams = [model.batches(size) for model in models]
        steps, spent = max(round_events // size, 1), []
        for _ in range(rounds + 1):
            pairs = zip(models, streams, strict=True)
            spent.append([_round(model, stream, steps) / (steps * size) for model, stream in pairs])
            done += 1
            on_progress(done, len(batches) * (rounds + 1))
        measured = spent[1:]
        results[str(size)] = {
            "without_us": round(median(off for off, _ in measured), 1),
            "with_us": round(median(on for _, on in measured), 1),
            "added_share": round(median(on / off - 1 for off, on in measured), 4),
        }
    return results


def _round(model: ModelUnderTest, stream: Batches, steps: int) -> float:
    """CPU time in µs of so many micro-batches."""
    batches = [next(stream) for _ in range(steps)]
    spent = 0
    for users, batch in batches:
        rows = model.rows[users]
        start = time.thread_time_ns()
        step = model.engine.step(batch, rows)
        model.engine.observe(step)
        spent += time.thread_time_ns() - start
        model.rows[users] = step.rows
    return spent / 1000
