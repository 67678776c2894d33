"""How probable a worker finds new items, beside how often they come: by the events that an item had before.

Simulated users' new items are predicted by these figures (`models.policy.simulator.parameters`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.policy.report import NEW_ITEM_ROWS
from bench.quality.datasets import Dataset, load
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.policy.slate import FloatArray
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay
from streams.settings.recipes import DEFAULT
from streams.settings.settings import recipe_settings

LOGS: Final = ("ml-100k", "amazon-music")
MAX_EVENTS: Final = 40_000
_BATCH = 128
_WARM_UP_SHARE = 0.1
"""First part of the log, in which nearly all items are new"""

Figures = dict[str, Any]


def measure_new_items(logs: Sequence[str], folder: Path, on_progress: ProgressCallback) -> Figures:
    """By log and earlier events of an item (NEW_ITEM_ROWS): sum of its predicted probabilities, and events that came.

    A worker that has learnt nothing predicts each next event of a user, then learns it. Raises DatasetError.
    """
    datasets = [load(name, folder, MAX_EVENTS) for name in logs]
    total = sum(len(dataset.events) for dataset in datasets)
    figures: Figures = {}
    before = 0
    for dataset in datasets:

        def report(done: int, start: int = before) -> None:
            on_progress(start + done, total)

        predicted, observed = _sums(dataset, report)
        figures[dataset.name] = {
            row: {"predicted": round(float(predicted[index]), 1), "events": int(observed[index])}
            for index, row in enumerate(NEW_ITEM_ROWS)
        }
        before += len(dataset.events)
    return figures


def _sums(dataset: Dataset, on_progress: Callable[[int], None]) -> tuple[FloatArray, FloatArray]:
    """[rows] predicted and observed events of items by NEW_ITEM_ROWS."""
    settings, events = recipe_settings(DEFAULT, ()), dataset.events
    config = replace(settings.model, allow_repeats=dataset.allow_repeats, threads=1)
    set_compute_threads(config)
    items = ItemVocabulary(dataset.items, ItemContent(config))
    replay = PrequentialReplay(config, settings.learning, items, dataset.users, 1)
    earlier = np.zeros(dataset.items + 1, np.int64)
    predicted, observed = np.zeros(len(NEW_ITEM_ROWS)), np.zeros(len(NEW_ITEM_ROWS))
    for low in range(0, len(events), _BATCH):
        batch = events[low : low + _BATCH]
        if low >= _WARM_UP_SHARE * len(events):
            row = np.minimum(np.ceil(np.log2(earlier + 1)).astype(np.int64), len(NEW_ITEM_ROWS) - 1)
            users, count = np.unique(batch.user, return_counts=True)
            with torch.inference_mode():  # the blocks are computed as they are asked for
                _, _, blocks = replay.engine.distributions(replay.rows(users))
                for block in blocks:
                    p = count[block.rows] @ block.p.double().numpy()
                    predicted += np.bincount(row[: len(p)], p, len(NEW_ITEM_ROWS))
            observed += np.bincount(row[batch.item], minlength=len(NEW_ITEM_ROWS))
        for item_id in dataset.item_ids[len(items) + 1 : int(batch.item.max()) + 1]:
            items.add(item_id)
        replay.step(batch, learn=True)
        np.add.at(earlier, batch.item, 1)
        on_progress(low + len(batch))
    return predicted, observed
