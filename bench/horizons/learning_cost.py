"""What a trainer spends on the heads of the outlook, beside what it spends on the network: CPU time of the thread."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np

from bench.cost.workload import ModelUnderTest, Workload
from models.data.horizons.horizon_days import HORIZON_DAYS
from models.progress import ProgressCallback
from models.training.horizons.horizon_learner import ASK_INTERVAL_S
from models.training.horizons.horizon_trainer import HorizonTrainer

WARM_DAYS: Final = max(HORIZON_DAYS) + 1
"""Of the stream's time: from then on labels of all horizons come due"""
DAYS: Final = 5
_ASKED_A_DAY: Final = round(86_400 / ASK_INTERVAL_S)


def learning_cost(
    on_progress: ProgressCallback, workload: Workload | None = None, warm_days: int = WARM_DAYS, days: int = DAYS
) -> dict[str, float]:
    """Medians over the micro-batches of the last `days`, each of as many events as an optimizer step.

    `note_us`: per event, what it tells of questions that wait, and items that are scored for soft labels. `labels_ms`:
    asking and learning, every six hours of the stream's time whatever its rate. `train_step_us`: per event, of the
    network.
    """
    workload = workload or Workload()
    config = replace(workload.config(allow_repeats=True), horizons=True)
    model = ModelUnderTest(workload, config)
    events = min(model.learning.events_per_step, workload.users)
    heads, stream, clock_ms = HorizonTrainer(config, model.learning, model.engine), model.batches(events), 0
    noted, learnt, trained = list[int](), list[int](), list[int]()
    total = (warm_days + days) * _ASKED_A_DAY
    for number in range(total):
        # One micro-batch more after each that lets six hours pass, so that both are timed apart.
        for passes in (True, False):
            users, batch = next(stream)
            clock_ms = max(clock_ms, int(batch.time_ms[0])) + passes * round(ASK_INTERVAL_S * 1000)
            rows = model.engine.replay(replace(batch, time_ms=np.full(events, clock_ms)), model.rows[users])
            model.rows[users], new_events = rows, np.ones(events, np.int64)
            start = time.thread_time_ns()
            heads.observe(rows, new_events, (users + 1).astype(np.uint32))
            heads.train_step(all_due=True)
            heads.take(full=False)
            (learnt if passes else noted).append(time.thread_time_ns() - start)
            if not passes and number >= warm_days * _ASKED_A_DAY:
                model.learner.observe(rows, new_events)
                start = time.thread_time_ns()
                model.learner.train_step()
                trained.append(time.thread_time_ns() - start)
        on_progress(number + 1, total)
    last = days * _ASKED_A_DAY
    note_ns = median(noted[-last:])
    return {
        "note_us": round(note_ns / 1e3 / events, 1),
        "labels_ms": round((median(learnt[-last:]) - note_ns) / 1e6, 1),
        "train_step_us": round(median(trained) / 1e3 / events, 1),
    }
