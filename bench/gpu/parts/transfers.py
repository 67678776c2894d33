"""Part `transfers`: copies between host and device in a micro-batch, their bytes, and how often the host waits."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

from bench.gpu.host_reads import HostReads
from bench.gpu.part import Deadline, Figures, GpuRun
from bench.gpu.workload import StepWorkload, vocabulary
from models.config import ModelConfig
from models.data.events import EventBatch

_BATCH: Final = 1000
_ITEMS: Final = 10_000
_SYNCHRONISATIONS: Final = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
_ROW_FIELDS: Final = ("h", "c", "ring_item", "ring_type", "ring_gap", "ring_value")

_Input = tuple[NDArray[np.int64], EventBatch]


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """One micro-batch each under the dispatcher's count, torch's warnings of synchronisation, and the profiler."""
    size, count = min(_BATCH, max(run.sizes.batches)), min(_ITEMS, max(run.sizes.items))
    config = ModelConfig(device=str(run.device))
    workload = StepWorkload(config, vocabulary(count), size)
    batches = workload.batches(size)
    workload.step(*next(batches))
    figures |= {"batch": size, "items": count, "needed": needed_bytes(workload, size)}
    with HostReads() as reads:
        workload.step(*next(batches))
    figures["host_reads"] = dict(reads.counts)
    deadline.check()
    if run.device.type == "cuda":
        figures["synchronisation_sites"] = _synchronisation_sites(workload, next(batches))
    figures |= _profiled(run, workload, next(batches))


def summary(figures: Figures) -> str:
    """The figures in one line."""
    copied, needed = figures["copied"], figures["needed"]
    return (
        f"{figures['synchronisations']} host synchronisations and {sum(figures['host_reads'].values())} host reads per "
        f"step of {figures['batch']:,}; "
        + ", ".join(
            f"{way.replace('_', ' ')} {copied[way]['bytes'] / 1e6:,.2f} MB in {copied[way]['copies']} copies (rows "
            f"and predictions: {needed[way] / 1e6:,.2f})"
            for way in ("to_device", "to_host")
        )
    )


def needed_bytes(workload: StepWorkload, size: int) -> dict[str, int]:
    """What must cross in a micro-batch of one event per user: rows up; states, top items and their shares down."""
    row = workload.rows.dtype
    up = sum(row[name].itemsize for name in row.names or () if name in _ROW_FIELDS)
    down = sum(row[name].itemsize for name in ("h", "c"))
    top_items, top_categories, history = 10, 5, workload.engine.config.history_length
    down += 8 * top_items + 8 * top_categories + 4 * history  # index and probability; shares of the past events
    return {"to_device": size * up, "to_host": size * down}


def _synchronisation_sites(workload: StepWorkload, inputs: _Input) -> dict[str, int]:
    """How often the host waited, by file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            workload.step(*inputs)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    sites = Counter(
        f"{Path(warning.filename).name}:{warning.lineno}" for warning in caught if "synchron" in str(warning.message)
    )
    return dict(sites.most_common())


def _profiled(run: GpuRun, workload: StepWorkload, inputs: _Input) -> Figures:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if run.device.type == "cuda" else [])]
    with profile(activities=activities) as profiler:
        workload.step(*inputs)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    return read_trace(events)


def read_trace(events: list[dict[str, Any]]) -> Figures:
    """Copies, synchronisations and kernels in the events of a Chrome trace of torch's profiler."""
    copied = {way: {"bytes": 0, "copies": 0, "pageable": 0} for way in ("to_device", "to_host")}
    kernels = synchronisations = 0
    for event in events:
        category, name = event.get("cat", ""), str(event.get("name", ""))
        if category == "gpu_memcpy" and ("HtoD" in name or "DtoH" in name):
            way = copied["to_device" if "HtoD" in name else "to_host"]
            way["bytes"] += int(event.get("args", {}).get("bytes", 0))
            way["copies"] += 1
            way["pageable"] += "Pageable" in name
        kernels += category == "kernel"
        synchronisations += category == "cuda_runtime" and name in _SYNCHRONISATIONS
    return {"copied": copied, "kernels": kernels, "synchronisations": synchronisations}
