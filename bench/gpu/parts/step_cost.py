"""Part `cost`: time of a micro-batch by its events, the number of items and the number type."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from bench.gpu.part import Deadline, Figures, GpuRun, PartFailed
from bench.gpu.sizes import DTYPES
from bench.gpu.workload import StepWorkload, vocabulary
from models.config import ModelConfig
from models.device import require_dtype
from models.errors import DeviceMemoryError, UnsupportedDtypeError


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """Median time of `Engine.step` for each size that the time allows; the smaller numbers of items first."""
    cells: list[dict[str, Any]] = figures.setdefault("cells", [])
    for count in run.sizes.items:
        deadline.check()
        items = vocabulary(count)
        for dtype in DTYPES:
            deadline.check()
            config = ModelConfig(device=str(run.device), dtype=dtype)
            try:
                require_dtype(config)
                workload = StepWorkload(config, items, max(run.sizes.batches))
            except (UnsupportedDtypeError, DeviceMemoryError) as error:
                cells.append({"items": count, "dtype": dtype, "error": str(error)})
                continue
            for size in run.sizes.batches:
                deadline.check()
                cells.append({"items": count, "dtype": dtype, "batch": size, **_cell(run, workload, size, deadline)})
    if not any("ms" in cell for cell in cells):
        raise PartFailed("no size could be measured")


def summary(figures: Figures) -> str:
    """The figures in one line."""
    measured = [cell for cell in figures["cells"] if "ms" in cell]
    best = max(measured, key=lambda cell: cell["events_per_s"])
    return (
        f"{len(measured)} sizes; at most {best['events_per_s']:,.0f} events/s (batch of {best['batch']:,}, "
        f"{best['items']:,} items, {best['dtype']})"
    )


def _cell(run: GpuRun, workload: StepWorkload, size: int, deadline: Deadline) -> dict[str, Any]:
    batches, seconds = workload.batches(size), []
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    try:
        for number in range(run.sizes.rounds + 1):
            users, batch = next(batches)
            begun = time.perf_counter()
            workload.step(users, batch)  # ends with rows and predictions on the CPU: nothing is left to wait for
            if number:
                seconds.append(time.perf_counter() - begun)
            # One measured round, at least.
            if number and time.perf_counter() - begun > deadline.seconds_left / 4:
                break
    except DeviceMemoryError as error:
        return {"error": str(error)}
    step_s = median(seconds)
    cell = {"ms": round(1e3 * step_s, 3), "events_per_s": round(size / step_s, 1), "rounds": len(seconds)}
    if run.device.type == "cuda":
        cell["peak_mib"] = torch.cuda.max_memory_allocated(run.device) >> 20
    return cell
