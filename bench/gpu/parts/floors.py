"""Part `floors`: bandwidth of copies and throughput of a matrix product, and a micro-batch's time beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, Final

import torch

from bench.gpu.part import Deadline, Figures, GpuRun
from models.config import ModelConfig

_ROUNDS: Final = 7


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """GB/s of copies to, from and within the device, TFLOP/s in bfloat16, and each cell of part `cost` beside them."""
    device, size = run.device, run.sizes.copy_bytes
    pinned = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda").random_()
    on_device = torch.empty(size, dtype=torch.uint8, device=device).random_()
    copies = {
        "to_device": (on_device, pinned),
        "to_host": (pinned, on_device),
        "within_device": (torch.empty_like(on_device), on_device),
    }
    for name, (target, source) in copies.items():
        seconds = _seconds(run, partial(target.copy_, source, non_blocking=True), deadline)
        # Within the device each byte is read and written.
        moved = size * (2 if name == "within_device" else 1)
        figures[f"{name}_gb_per_s"] = round(moved / seconds / 1e9, 2)
    rows = run.sizes.matrix
    # Random numbers: products of zeros are faster.
    left, right = (torch.randn(rows, rows, device=device).bfloat16() for _ in range(2))
    seconds = _seconds(run, partial(torch.matmul, left, right), deadline)
    figures["bfloat16_tflop_per_s"] = round(2 * rows**3 / seconds / 1e12, 3)
    cells = run.figures.get("cost", {}).get("cells", [])
    figures["steps"] = [_beside_floor(cell, figures) for cell in cells if "ms" in cell]


def summary(figures: Figures) -> str:
    """The figures in one line."""
    line = (
        f"copies to / from / within the device {figures['to_device_gb_per_s']:,.0f} / "
        f"{figures['to_host_gb_per_s']:,.0f} / {figures['within_device_gb_per_s']:,.0f} GB/s, bfloat16 "
        f"{figures['bfloat16_tflop_per_s']:,.1f} TFLOP/s"
    )
    if figures["steps"]:
        nearest = min(figures["steps"], key=lambda step: step["times_floor"])
        line += (
            f"; the nearest step takes {nearest['times_floor']:,.1f} times its floor (batch of {nearest['batch']:,})"
        )
    return line


def step_work(batch: int, items: int, config: ModelConfig) -> tuple[int, int]:
    """Floating-point operations and bytes of device memory that a step of one event per user needs at least.

    Scores of all items, the LSTM, the projections of the window; the item table, the popularity distributions and the
    windows are read once, the mixture over all items is written and read once.
    """
    dim, hidden, length = config.embedding_dim, config.hidden_size, config.history_length
    operations = 2 * batch * (items * dim + 4 * hidden * (dim + hidden) + length * dim * 4)
    number = 2 if config.dtype == "bfloat16" else 4
    moved = items * (number * dim + 8 * 4) + batch * (number * length * dim + 2 * 4 * items)
    return operations, moved


def _beside_floor(cell: dict[str, Any], figures: Figures) -> dict[str, Any]:
    config = ModelConfig(dtype=cell["dtype"])
    operations, moved = step_work(cell["batch"], cell["items"], config)
    row_bytes = cell["batch"] * config.hidden_size * config.num_layers * 4  # h and c in half precision
    floors_ms = {
        "arithmetic": 1e3 * operations / (figures["bfloat16_tflop_per_s"] * 1e12),
        "memory": 1e3 * moved / (figures["within_device_gb_per_s"] * 1e9),
        "copies": 1e3 * row_bytes * (1 / figures["to_device_gb_per_s"] + 1 / figures["to_host_gb_per_s"]) / 1e9,
    }
    bound = max(floors_ms, key=lambda name: floors_ms[name])
    named = {name: cell[name] for name in ("batch", "items", "dtype", "ms")}
    return named | {
        "floor_ms": round(floors_ms[bound], 6),
        "bound_by": bound,
        "times_floor": round(cell["ms"] / max(floors_ms[bound], 1e-9), 1),
    }


def _seconds(run: GpuRun, work: Callable[[], object], deadline: Deadline) -> float:
    """Median time of the work, the device idle before and after."""
    times = []
    for number in range(_ROUNDS + 1):
        if number > 1:
            deadline.check()
        _wait(run)
        begun = time.perf_counter()
        work()
        _wait(run)
        if number:
            times.append(time.perf_counter() - begun)
    return median(times)


def _wait(run: GpuRun) -> None:
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)
