"""Part `quality`: prequential evaluation on the device, beside the recorded figures of the CPU."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from bench.gpu.part import Deadline, Figures, GpuRun, PartFailed, PartSkipped
from models.config import LearnerConfig, ModelConfig

LOG: Final = "ml-100k"
BATCH: Final = 32
RECORDED: Final = Path(__file__).resolve().parents[2] / "results" / "quality.json"
_RECORDED_NAME = f"worker, batches of {BATCH}"
TOLERANCES: Final = {"recall_at_10": 0.001, "recall_at_20": 0.001, "mrr_at_20": 0.001, "log_loss": 0.005}
"""Largest differences from the recorded figures"""


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """What `python -m bench quality --data ml-100k --batch 32 --scorer worker` gives; PartFailed where it differs."""
    # Imported here: what reads logs needs libraries that may be missing.
    from bench.errors import DatasetError
    from bench.quality.datasets import load
    from bench.quality.protocols import evaluate, split_events
    from bench.quality.report import WorkerOptions, compute_figures
    from bench.quality.worker_scorer import WorkerScorer

    try:
        dataset = load(LOG, run.logs, run.sizes.quality_events)
    except DatasetError as error:
        raise PartSkipped(str(error)) from None
    config = ModelConfig(device=str(run.device), allow_repeats=dataset.allow_repeats, threads=run.sizes.threads)
    scorer = WorkerScorer(dataset, config, LearnerConfig(), batch_events=BATCH)
    split, begun = split_events(dataset, "prequential"), time.perf_counter()
    progress: dict[str, int] = {}

    def on_progress(done: int, total: int) -> None:
        progress.update(done=done, total=total)
        deadline.on_progress(done, total)

    try:
        result = evaluate(dataset, split, scorer, on_progress)
    finally:
        seconds = time.perf_counter() - begun
        figures["events_per_s"] = round(progress.get("done", 0) / seconds, 1)
        figures["events"], figures["of"] = progress.get("done", 0), progress.get("total", 0)
    computed = compute_figures(result, WorkerOptions(BATCH), seconds)
    figures["figures"] = {name: computed[name] for name in TOLERANCES}
    if run.sizes.quality_events is not None:
        return
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())[LOG][_RECORDED_NAME]
    figures["recorded"] = {name: recorded[name] for name in TOLERANCES}
    faults = [
        f"{name} {computed[name]:.4f}, recorded {recorded[name]:.4f}"
        for name, limit in TOLERANCES.items()
        if not abs(computed[name] - recorded[name]) <= limit
    ]
    if faults:
        raise PartFailed("; ".join(faults))


def summary(figures: Figures) -> str:
    """The figures in one line."""
    shown = " / ".join(f"{figures['figures'][name]:.4f}" for name in ("recall_at_10", "mrr_at_20", "log_loss"))
    return f"recall@10 / MRR@20 / log-loss {shown}; {figures['events_per_s']:,.0f} events/s"
