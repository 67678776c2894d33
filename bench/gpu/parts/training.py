"""Part `training`: offline training of a log on the CPU and on the device."""

from __future__ import annotations

from typing import Any, Final

from bench.gpu.part import Deadline, Figures, GpuRun, OutOfTime, PartFailed, PartSkipped
from models.config import ModelConfig
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.training.offline.sequences import UserSequences
from models.training.offline.trainer import Trainer
from models.training_config import TrainingConfig

LOG: Final = "ml-1m"
_CPU_SHARE = 0.6
"""Of the time of this part, at most"""
TOLERANCE: Final = 0.05
"""Largest difference of the held-out losses: dropout draws other numbers on each device"""


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """Loss curves and events per second; PartFailed where the held-out losses differ by more than `TOLERANCE`."""
    # Imported here: what reads logs needs libraries that may be missing.
    from bench.errors import DatasetError
    from bench.quality.datasets import load

    try:
        dataset = load(LOG, run.logs)
    except DatasetError as error:
        raise PartSkipped(str(error)) from None
    count = run.sizes.training_events or len(dataset.events) // 4
    events = dataset.events[:count]
    figures["events"] = count
    devices = {"device": (str(run.device), 1.0), "cpu": ("cpu", _CPU_SHARE)}
    for name, (device, share) in devices.items():
        config = ModelConfig(device=device, allow_repeats=dataset.allow_repeats)
        training = TrainingConfig(epochs=run.sizes.epochs)
        items = ItemVocabulary(dataset.items, ItemContent(config))
        for item_id in dataset.item_ids[1 : int(events.item.max()) + 1]:
            items.add(item_id)
        grouped = events.grouped()
        trained = grouped.order < int(count * (1 - training.held_out_share))
        trainer = Trainer(config, training, items, UserSequences(grouped.batch, trained, config, items.content))
        curve: list[dict[str, Any]] = figures.setdefault(name, [])
        part_deadline = Deadline(deadline.seconds_left * share)
        try:
            while not trainer.done:
                epoch = trainer.train_epoch(part_deadline.on_progress)
                curve.append(
                    {
                        "loss": round(epoch.loss, 4),
                        "held_out_loss": round(epoch.held_out_loss, 4),
                        "events_per_s": round(epoch.events / epoch.seconds, 1),
                    }
                )
        except OutOfTime:
            if not curve:
                raise
    pairs = list(zip(figures["device"], figures["cpu"], strict=False))
    differences = [abs(ours["held_out_loss"] - theirs["held_out_loss"]) for ours, theirs in pairs]
    figures["largest_difference"] = max(differences)
    if not figures["largest_difference"] <= TOLERANCE:
        raise PartFailed(f"held-out losses differ by {figures['largest_difference']:.3f}, more than {TOLERANCE}")


def summary(figures: Figures) -> str:
    """The figures in one line."""
    ours, cpu = (max(epoch["events_per_s"] for epoch in figures[name]) for name in ("device", "cpu"))
    return (
        f"{ours:,.0f} events/s, CPU {cpu:,.0f}; held-out loss after {len(figures['device'])} epochs "
        f"{figures['device'][-1]['held_out_loss']:.3f}, difference {figures['largest_difference']:.3f}"
    )
