"""Top-k of the predicted distributions: the most probable items, their categories, and what they come from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.candidates import Candidates, largest
from models.experts.count_experts import CountExperts
from models.experts.mixture import MixtureBlock, PredictionContexts
from models.inference import attribution
from models.inference.predictions import CARRIERS, InterestParts, Predictions
from models.network.outputs import NetworkOutput


@dataclass(frozen=True, slots=True)
class TopSizes:
    """How many of each a prediction lists."""

    items: int
    categories: int
    because: int
    """Items of the user's past events"""


def top_predictions(
    event: NDArray[np.int64],
    contexts: PredictionContexts,
    blocks: Iterable[MixtureBlock],
    candidates: Candidates,
    counts: CountExperts | None,
    sizes: TopSizes,
    version: int,
) -> Predictions:
    """P predictions, each right after its event [P], from the blocks of their distributions."""
    rows, count = len(event), min(sizes.items, candidates.known)
    item, item_p = np.zeros((rows, sizes.items), np.int64), np.zeros((rows, sizes.items), np.float32)
    category, category_p = np.zeros((rows, sizes.categories), np.int64), np.zeros((rows, sizes.categories), np.float32)
    event_share, carrier = np.zeros(contexts.windows.item.shape), np.zeros((rows, len(CARRIERS)), np.float32)
    for block in blocks:
        top_p, top = largest(block.p, count)  # [p, k]
        top = top * (top_p > 0)
        item[block.rows, :count], item_p[block.rows, :count] = top.cpu().numpy(), top_p.cpu().numpy()
        top_category, top_category_p = candidates.categories(block.p, sizes.categories)
        category[block.rows] = top_category.cpu().numpy()
        category_p[block.rows] = top_category_p.cpu().numpy()
        if count:
            shares = attribution.attribute(block, contexts, counts, top[:, 0])
            event_share[block.rows], carrier[block.rows] = shares.event, shares.carrier
    because, because_weight = attribution.top_items(contexts.windows.item, event_share, sizes.because)
    return Predictions(
        event=event,
        item=item,
        item_p=item_p,
        other_p=np.maximum(0, 1 - item_p.sum(1, dtype=np.float64)).astype(np.float32),
        category=category,
        category_p=category_p,
        because=because,
        because_weight=because_weight,
        carried_by=carrier,
        model_version=version,
        parts=_interest_parts(contexts.network_output),
    )


def _interest_parts(output: NetworkOutput) -> InterestParts | None:
    if output.long_term is None:
        return None
    short_term, long_term = (
        part.float().nan_to_num(nan=0.0).cpu().numpy()
        for part in (output.interest - output.long_term, output.long_term)
    )
    return InterestParts(short_term, long_term)
