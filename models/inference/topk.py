"""Top-k of the predicted distributions: the most probable items, their categories, and what they come from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.candidates import Candidates
from models.experts.count_experts import CountExperts
from models.experts.mixture import MixtureBlock, PredictionContexts
from models.inference import attribution
from models.inference.predictions import CARRIERS, InterestParts, ModelVersion, Predictions
from models.network.outputs import NetworkOutput
from models.transfers import to_host


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
    version: ModelVersion,
) -> Predictions:
    """P predictions, each right after its event [P], from the blocks of their distributions."""
    rows, count = len(event), min(sizes.items, candidates.known)
    item, item_p = np.zeros((rows, sizes.items), np.int64), np.zeros((rows, sizes.items), np.float32)
    category, category_p = np.zeros((rows, sizes.categories), np.int64), np.zeros((rows, sizes.categories), np.float32)
    event_share, carrier = np.zeros(contexts.windows.item.shape), np.zeros((rows, len(CARRIERS)), np.float32)
    for block in blocks:
        top_p, top = candidates.top(block.p, count)  # [p, k]
        top = top * (top_p > 0)
        top_category, top_category_p = candidates.categories(block.p, sizes.categories)
        item[block.rows, :count], item_p[block.rows, :count], category[block.rows], category_p[block.rows] = to_host(
            [top, top_p, top_category, top_category_p]
        )
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
    parts = output.interest - output.long_term, output.long_term
    short_term, long_term = to_host([part.float().nan_to_num(nan=0.0) for part in parts])
    return InterestParts(short_term, long_term)
