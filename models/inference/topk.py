"""What is said of distributions over all items: the most probable ones, their categories, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.candidates import Candidates, largest
from models.experts.count_experts import CountExperts
from models.experts.mixture import Block, PredictionContexts
from models.inference import attribution
from models.inference.predictions import CARRIERS, InterestParts, Predictions
from models.network.outputs import NetworkOutput


@dataclass(frozen=True, slots=True)
class Top:
    """How much is said."""

    items: int
    categories: int
    because: int


def read_out(
    event: NDArray[np.int64],
    contexts: PredictionContexts,
    blocks: Iterable[Block],
    candidates: Candidates,
    experts: CountExperts | None,
    top: Top,
    version: int,
) -> Predictions:
    """Predictions at P moments, each right after its event [P], from the blocks of their distributions."""
    size, count = len(event), min(top.items, candidates.known)
    item, item_p = np.zeros((size, top.items), np.int64), np.zeros((size, top.items), np.float32)
    category, category_p = np.zeros((size, top.categories), np.int64), np.zeros((size, top.categories), np.float32)
    step, carrier = np.zeros(contexts.windows.item.shape), np.zeros((size, len(CARRIERS)), np.float32)
    for block in blocks:
        best_p, best = largest(block.p, count)  # [p, k]
        best = best * (best_p > 0)
        item[block.rows, :count], item_p[block.rows, :count] = best.cpu().numpy(), best_p.cpu().numpy()
        best_category, best_category_p = candidates.categories(block.p, top.categories)
        category[block.rows] = best_category.cpu().numpy()
        category_p[block.rows] = best_category_p.cpu().numpy()
        if count:
            shares = attribution.shares(block, contexts, experts, best[:, 0])
            step[block.rows], carrier[block.rows] = shares.step, shares.carrier
    because, weight = attribution.heaviest(contexts.windows.item, step, top.because)
    return Predictions(
        event=event,
        item=item,
        item_p=item_p,
        other_p=np.maximum(0, 1 - item_p.sum(1, dtype=np.float64)).astype(np.float32),
        category=category,
        category_p=category_p,
        because=because,
        because_weight=weight,
        carried_by=carrier,
        model_version=version,
        parts=_parts(contexts.reading),
    )


def _parts(reading: NetworkOutput) -> InterestParts | None:
    if reading.long_term is None:
        return None
    short, long = (
        each.float().nan_to_num(nan=0.0).cpu().numpy()
        for each in (reading.interest - reading.long_term, reading.long_term)
    )
    return InterestParts(short, long)
