"""Cost: what each part of a step takes per event, by a clock that runs along with the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import count
from statistics import median
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.cost.held_memory import held
from bench.cost.report import CostReport, ModelCost, Repeats, StepCost
from bench.cost.stage_clock import Clock, Stage, StageClock, clock_of
from bench.cost.workload import Stand, Workload
from bench.throughput.report import machine
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.experts import mixture
from models.experts.candidates import Candidates
from models.experts.count_experts import CountExperts
from models.inference import attribution, engine
from models.inference.engine import Engine
from models.items.reviews import Reviews
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.progress import ProgressCallback

STAGES: Final = (
    Stage(Engine, "_catch_up", "follow weights, vocabulary, texts"),
    Stage(Timeline, "__init__", "place each event"),
    Stage(Timeline, "advance", "place each event"),
    Stage(InterestNetwork, "embed", "embedding"),
    Stage(engine, "repair_nonfinite_states", "recurrent step"),
    Stage(engine, "lstm_step", "recurrent step"),
    Stage(Engine, "_contexts", "ring: gather"),
    Stage(Timeline, "windows", "ring: gather"),
    Stage(InterestNetwork, "step", "ring: attention, copying, fusion"),
    Stage(Candidates, "scores", "network's scores"),
    Stage(mixture, "blocks", "mixture of the experts"),
    Stage(Engine, "_predict", "top items"),
    Stage(Candidates, "categories", "top categories"),
    Stage(attribution, "shares", "explanation"),
    Stage(attribution, "heaviest", "explanation"),
    Stage(Engine, "_sample", "sample: some events scored, mixer learns", whole=True),
    Stage(CountExperts, "observe", "counting"),
    Stage(engine, "mark_seen", "items had"),
)
"""The parts of a step; what is in none of them is a part, too: `REST`"""

REST: Final = "everything else"
_WHOLE: Final = "whole"
BESIDE: Final = (
    "row unpacked",
    "row packed",
    "event queued for learning",
    "review: encoded, given to its item",
)

_LEAST_EVENTS = 256
"""Events of a round, at least: a single step of one event is too short for the clock"""

Batches = Iterator[tuple[NDArray[np.int64], EventBatch]]


def rounds_of(repeats: Sequence[Repeats], batches: Sequence[int], rounds: int) -> int:
    """Rounds that `measure` runs, each reported as it ends."""
    return len(repeats) * (len(batches) + 1) * (rounds + 1)


def measure(
    workload: Workload, repeats: Sequence[Repeats], batches: Sequence[int], rounds: int, on_progress: ProgressCallback
) -> CostReport:
    """Medians over the rounds; one more, before them, warms up."""
    device = torch.device(workload.device)
    about, clock = machine(), clock_of(device)
    said = "CPU time of the thread"
    if device.type == "cuda":
        said = "wall time, the device awaited after each part"
        about["gpu"] = torch.cuda.get_device_name(device)
    models = []
    done, total = count(1), rounds_of(repeats, batches, rounds)

    def round_done() -> None:
        on_progress(next(done), total)

    for each in repeats:
        stand = Stand(workload, workload.config(each))
        steps = [_step_cost(stand, size, rounds, clock, round_done) for size in batches]
        learnt, learning = _learning_cost(stand, rounds, clock, round_done)
        models.append(ModelCost(each, steps, learnt, learning, held(stand, workload.items)))
    return CostReport(about, asdict(workload) | {"rounds": rounds}, said, models)


def _step_cost(stand: Stand, size: int, rounds: int, clock: Clock, round_done: Callable[[], None]) -> StepCost:
    stages, batches, table = StageClock(clock), stand.batches(size), stand.item_table()
    steps = -(-_LEAST_EVENTS // size)
    taken = []
    for _ in range(rounds + 1):
        for _ in range(steps):
            _step(stand, stages, batches, table)
        taken.append(stages.take())
        round_done()
    names = dict.fromkeys([*(stage.name for stage in STAGES), REST, _WHOLE, *BESIDE])
    per_event = 1000 * steps * size  # and µs of ns
    cost = {name: round(median(spent.get(name, 0) for spent in taken[1:]) / per_event, 3) for name in names}
    parts = {name: us for name, us in cost.items() if name not in (_WHOLE, *BESIDE)}
    return StepCost(size, parts, cost[_WHOLE], {name: cost[name] for name in BESIDE})


def _step(stand: Stand, stages: StageClock, batches: Batches, table: ItemEmbeddings) -> None:
    """One step taken apart, one that is not, and what lies beside."""
    row, batch = next(batches)
    memory = stand.rows[row]
    with stages.running(STAGES), stages.during(REST):
        step = stand.engine.step(batch, memory)
    stand.rows[row] = step.rows
    row, batch = next(batches)
    memory = stand.rows[row]
    with stages.during(_WHOLE):
        step = stand.engine.step(batch, memory)
    unpacked, packed, queued, reviewed = BESIDE
    with stages.during(packed):
        values = stand.layout.pack(step.rows)
    with stages.during(unpacked):
        stand.rows[row] = stand.layout.unpack(values)
    with stages.during(queued):
        stand.waiting.observe(batch, step.rows)
    reviews = stand.reviews(len(batch))
    with stages.during(reviewed):
        Reviews.of(reviews, stand.content).apply_to_items()
        table.refresh()


def _learning_cost(stand: Stand, rounds: int, clock: Clock, round_done: Callable[[], None]) -> tuple[int, float]:
    """Events of a learning step, and µs of it per event."""
    events = stand.learning.events_per_step
    batches, per_event = stand.batches(events), []
    for _ in range(rounds + 1):
        row, batch = next(batches)
        step = stand.engine.step(batch, stand.rows[row])
        stand.rows[row] = step.rows
        stand.learner.observe(batch, step.rows)
        began = clock()
        stand.learner.train_step()
        per_event.append((clock() - began) / (1000 * events))
        round_done()
    return events, round(median(per_event[1:]), 3)
