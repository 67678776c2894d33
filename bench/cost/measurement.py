"""Measure the cost of each part of a micro-batch with a clock around the engine's functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from statistics import median
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.cost.memory_use import memory_use
from bench.cost.report import CostReport, ModelCost, StepCost
from bench.cost.stage_clock import Clock, Stage, StageClock, device_clock
from bench.cost.workload import ModelUnderTest, Workload
from bench.machine import machine_info
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.experts import mixture
from models.experts.candidates import Candidates
from models.inference import attribution, engine
from models.inference.engine import Engine
from models.inference.served_model import ServedModel
from models.items.reviews import Reviews
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.progress import ProgressCallback

STAGES: Final = (
    Stage(Engine, "_refresh", "follow weights, vocabulary, texts"),
    Stage(Timeline, "__init__", "place each event"),
    Stage(Timeline, "advance", "place each event"),
    Stage(InterestNetwork, "embed", "embedding"),
    Stage(engine, "repair_nonfinite_states", "recurrent step"),
    Stage(engine, "lstm_step", "recurrent step"),
    Stage(ServedModel, "contexts_after", "ring: gather"),
    Stage(Timeline, "windows", "ring: gather"),
    Stage(InterestNetwork, "step", "ring: attention, copying, fusion"),
    Stage(Candidates, "scores", "network's scores"),
    Stage(mixture, "predict_blocks", "mixture of the experts"),
    Stage(Engine, "_predict", "top items"),
    Stage(Candidates, "categories", "top categories"),
    Stage(attribution, "attribute", "attribution"),
    Stage(attribution, "top_items", "attribution"),
    Stage(Engine, "_score_sample", "sample: some events scored for the gate", include_nested=True),
    Stage(Engine, "observe", "counting, gate", include_nested=True),
    Stage(engine, "mark_seen", "items had"),
)
"""The parts of a micro-batch, besides `REST`: everything outside of them"""

REST: Final = "everything else"
_UNDIVIDED: Final = "undivided"
OTHER: Final = (
    "row unpacked",
    "row packed",
    "event queued for learning",
    "review: encoded, applied to its item",
)

NEWCOMERS: Final = 32
"""Items of a micro-batch that take slots of others, where a vocabulary is full"""

_MIN_EVENTS = 256
"""Least events of a round: a single micro-batch of one event is too short for the clock"""

Batches = Iterator[tuple[NDArray[np.int64], EventBatch]]


def total_rounds(allow_repeats: Sequence[bool], batches: Sequence[int], rounds: int) -> int:
    """Rounds that `measure` runs, each reported as it ends."""
    return len(allow_repeats) * (len(batches) + 2) * (rounds + 1)


def measure(
    workload: Workload,
    allow_repeats: Sequence[bool],
    batches: Sequence[int],
    rounds: int,
    on_progress: ProgressCallback,
) -> CostReport:
    """Median costs over the rounds, after one round of warm-up, for each model and batch size."""
    device = torch.device(workload.device)
    machine, clock = machine_info(), device_clock(device)
    clock_name = "CPU time of the thread"
    if device.type == "cuda":
        clock_name = "wall time, synchronised with the device after each part"
        machine["gpu"] = torch.cuda.get_device_name(device)
    models = []
    done, total = count(1), total_rounds(allow_repeats, batches, rounds)

    def round_done() -> None:
        on_progress(next(done), total)

    for repeats in allow_repeats:
        model = ModelUnderTest(workload, workload.config(repeats))
        steps = [_step_cost(model, size, rounds, clock, round_done) for size in batches]
        train_events, training = _training_cost(model, rounds, clock, round_done)
        memory = memory_use(model, workload.items)
        takeover = _takeover_cost(model, rounds, clock, round_done)
        models.append(ModelCost(repeats, steps, train_events, training, NEWCOMERS, takeover, memory))
    return CostReport(machine, workload.figures() | {"rounds": rounds}, clock_name, models)


def _step_cost(model: ModelUnderTest, size: int, rounds: int, clock: Clock, round_done: Callable[[], None]) -> StepCost:
    stages, batches, table = StageClock(clock), model.batches(size), model.item_table()
    steps = -(-_MIN_EVENTS // size)
    times = []
    for _ in range(rounds + 1):
        for _ in range(steps):
            _measure_step(model, stages, batches, table)
        times.append(stages.take_times())
        round_done()
    names = dict.fromkeys([*(stage.name for stage in STAGES), REST, _UNDIVIDED, *OTHER])
    per_event = 1000 * steps * size  # and µs of ns
    cost = {name: round(median(spent.get(name, 0) for spent in times[1:]) / per_event, 3) for name in names}
    parts = {name: us for name, us in cost.items() if name not in (_UNDIVIDED, *OTHER)}
    return StepCost(size, parts, cost[_UNDIVIDED], {name: cost[name] for name in OTHER})


def _measure_step(model: ModelUnderTest, stages: StageClock, batches: Batches, table: ItemEmbeddings) -> None:
    """One micro-batch taken apart, one undivided, and the other work."""
    users, batch = next(batches)
    rows = model.rows[users]
    with stages.measuring(STAGES), stages.stage(REST):
        step = model.engine.step(batch, rows)
        model.engine.observe(step)
    model.rows[users] = step.rows
    users, batch = next(batches)
    rows = model.rows[users]
    with stages.stage(_UNDIVIDED):
        step = model.engine.step(batch, rows)
        model.engine.observe(step)
    unpacked, packed, queued, reviewed = OTHER
    with stages.stage(packed):
        values = model.layout.pack(step.rows)
    with stages.stage(unpacked):
        model.rows[users] = model.layout.unpack(values)
    with stages.stage(queued):
        model.waiting.observe(step.rows, step.new_events)
    reviews = model.reviews(len(batch))
    with stages.stage(reviewed):
        Reviews.of(reviews, model.content).apply_to_items()
        table.refresh()


def _training_cost(
    model: ModelUnderTest, rounds: int, clock: Clock, round_done: Callable[[], None]
) -> tuple[int, float]:
    """Events of a train step, and its cost in µs per event."""
    events = model.learning.events_per_step
    batches, per_event = model.batches(events), []
    for _ in range(rounds + 1):
        users, batch = next(batches)
        step = model.engine.step(batch, model.rows[users])
        model.engine.observe(step)
        model.rows[users] = step.rows
        model.learner.observe(step.rows, step.new_events)
        start = clock()
        model.learner.train_step()
        per_event.append((clock() - start) / (1000 * events))
        round_done()
    return events, round(median(per_event[1:]), 3)


def _takeover_cost(model: ModelUnderTest, rounds: int, clock: Clock, round_done: Callable[[], None]) -> float:
    """µs of each newcomer: which item it replaces, its registration, and what the engine begins anew."""
    numbers, per_newcomer = count(), []
    for _ in range(rounds + 1):
        start = clock()
        for registration in model.items.registrations(NEWCOMERS):
            model.items.apply(f"newcomer-{next(numbers)}", registration)
        with torch.inference_mode():
            model.engine._refresh(model.rows[:0])
        per_newcomer.append((clock() - start) / (1000 * NEWCOMERS))
        round_done()
    return round(median(per_newcomer[1:]), 3)
