"""What a step costs with the outlook of its users, and without: CPU time of the thread, in turns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
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

    Of step and counting. Both take the same micro-batches in turns, so that what else the machine does slows both:
    medians over the micro-batches; of the share, the median of the pairs' own.
    """
    workload = workload or Workload()
    config = workload.config(allow_repeats=True)
    models = [ModelUnderTest(workload, replace(config, horizons=on)) for on in (False, True)]
    results, done = {}, 0
    for size in batches:
        streams = [model.batches(size) for model in models]
        steps, pairs = max(round_events // size, 1), list[list[float]]()
        for number in range(rounds + 1):
            timed = [
                [_step(model, stream) / size for model, stream in zip(models, streams, strict=True)]
                for _ in range(steps)
            ]
            pairs += timed if number else []  # the first round warms caches
            done += 1
            on_progress(done, len(batches) * (rounds + 1))
        off, on = np.array(pairs).T
        results[str(size)] = {
            "without_us": round(float(np.median(off)), 1),
            "with_us": round(float(np.median(on)), 1),
            "added_share": round(float(np.median(on / off)) - 1, 4),
        }
    return results


def _step(model: ModelUnderTest, stream: Batches) -> float:
    """CPU time in µs of a micro-batch."""
    users, batch = next(stream)
    rows = model.rows[users]
    start = time.thread_time_ns()
    step = model.engine.step(batch, rows)
    model.engine.observe(step)
    spent = time.thread_time_ns() - start
    model.rows[users] = step.rows
    return spent / 1000
