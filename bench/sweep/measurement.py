"""The worker's own sweep over a partition's rows in RocksDB, all of it but the transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import numpy as np

from bench.cost.workload import ModelUnderTest, Workload
from models.progress import ProgressCallback
from state.table import UserTable
from streams.kafka.transaction import ProducerRecord
from streams.settings.churn_section import ChurnSettings
from streams.settings.recipes import DEFAULT
from streams.settings.settings import Settings, recipe_settings
from streams.worker.churn.churn_log import ChurnLog, PartitionWarnings
from streams.worker.churn.sweep import ChurnSweep
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.pipeline import Pipeline

_UNLIMITED: Final = 1_000_000.0
_NOBODY: Final = ChurnSettings(enabled=True, at_risk_p=1 - 1e-12, lost_p=1 - 1e-12, users_per_s=_UNLIMITED)
_EVERYBODY: Final = ChurnSettings(enabled=True, at_risk_p=1e-12, lost_p=1 - 1e-12, users_per_s=_UNLIMITED)
PASSES: Final = {"nobody is warned of": _NOBODY, "everybody is": _EVERYBODY}


@dataclass(frozen=True, slots=True)
class SweepCost:
    """Of one pass."""

    users_per_s: float
    """That a worker can look at, if it does nothing else"""
    wait_ms: float
    """Median time for which a step has to wait: for CHUNK_USERS users, or for MOST_WARNED who are warned of"""
    wait_p99_ms: float
    bytes_per_warning: float


class _Written:
    """In place of the transaction."""

    def __init__(self) -> None:
        self.records = self.bytes = 0

    async def write_beside(self, _: object, records: Mapping[Any, Iterable[ProducerRecord]]) -> None:
        for part in records.values():
            for record in part:
                self.records += 1
                self.bytes += len(record.key or b"") + len(record.value or b"")


@dataclass(frozen=True, slots=True)
class _OnePartition:
    """In place of what the group has assigned, and of the topic, which is empty."""

    state: PartitionState

    def states(self) -> list[PartitionState]:
        return [self.state]

    async def load(self, state: PartitionState) -> PartitionWarnings:
        return PartitionWarnings(state)


def measure(workload: Workload, overrides: tuple[str, ...], on_progress: ProgressCallback) -> dict[str, SweepCost]:
    """Costs of a pass by what it finds."""
    settings = recipe_settings(DEFAULT, ("model.horizons=true", *overrides))
    model = ModelUnderTest(
        replace(workload, overrides=("model.horizons=true", *overrides)),
        replace(settings.model, allow_repeats=True, device=workload.device, threads=1, seed=workload.seed),
    )
    model.rows["count"] = model.rows["steps"]
    with TemporaryDirectory() as folder, closing(UserTable(Path(folder) / "users")) as table:
        store = table.open(0)
        keys = [f"user-{number:09d}".encode() for number in range(workload.users)]
        for low in range(0, len(keys), 10_000):
            store.put_many(keys[low : low + 10_000], model.layout.pack(model.rows[low : low + 10_000]), low)
        state = PartitionState(0, store, 0)
        total = len(PASSES) * workload.users
        costs = {}
        for number, (name, churn) in enumerate(PASSES.items()):
            done = number * workload.users
            costs[name] = asyncio.run(
                _pass(replace(settings, churn=churn), model, state, partial(_report, on_progress, done, total))
            )
        return costs


def _report(on_progress: ProgressCallback, done: int, total: int, users: int) -> None:
    on_progress(done + users, total)


async def _pass(
    settings: Settings, model: ModelUnderTest, state: PartitionState, on_users: Callable[[int], None]
) -> SweepCost:
    written, partition = _Written(), _OnePartition(state)
    sweep = ChurnSweep(
        settings,
        model.engine,
        model.items,
        cast(ChurnLog, partition),
        cast(Pipeline, written),
        cast(AssignedPartitions, partition),
    )
    await sweep.load()
    waits = []
    run_in = asyncio.get_running_loop().run_in_executor
    with ThreadPoolExecutor(1) as compute:
        began_s = time.perf_counter()
        while sweep.users < len(model.rows):
            call_s = time.perf_counter()
            await sweep.run(compute, run_in)
            waits.append(time.perf_counter() - call_s)
            on_users(sweep.users)
        took_s = time.perf_counter() - began_s
    timed = np.array(waits)
    return SweepCost(
        round(sweep.users / took_s),
        round(1000 * float(np.median(timed)), 2),
        round(1000 * float(np.quantile(timed, 0.99)), 2),
        round(written.bytes / max(sweep.warned, 1), 1) if sweep.warned else 0.0,
    )
