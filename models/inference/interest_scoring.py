"""What the components of interest give to items that came, for users as they were before: what the gate learns from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.horizons.horizon_days import DAY_S
from models.data.horizons.interest_queries import ScoredParts
from models.experts.candidates import Candidates
from models.experts.horizons.interest_components import InterestComponents
from models.experts.horizons.interest_gate import COMPONENTS, INTEREST_FEATURES
from models.experts.mixture import MixtureBlock
from models.transfers import to_device, to_host


@dataclass(frozen=True, slots=True)
class LaterEvents:
    """n events that came after questions."""

    item: NDArray[np.int64]
    """[n]"""
    after_s: NDArray[np.float64]
    """[n] how long after"""
    query: NDArray[np.int64]
    """[n] the question, among those asked at the same time"""


def interest_features(
    rows: NDArray[np.void], silent_s: NDArray[np.float64], confidence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[p, INTEREST_FEATURES] of the gate, for rows [p] silent for so many seconds [p]."""
    events = np.log1p(rows["steps"].astype(np.float64)) / 5
    silent = np.log1p(np.maximum(silent_s, 0) / DAY_S) / 3
    return np.column_stack([np.ones(len(rows)), events, silent, confidence])


@torch.inference_mode()
def score_interest(
    blocks: Iterable[MixtureBlock],
    rows: NDArray[np.void],
    silent_s: NDArray[np.float64],
    came: LaterEvents,
    candidates: Candidates,
) -> tuple[ScoredParts, ScoredParts]:
    """Parts of soft labels, of items and of categories, of events that came to users with these rows [n].

    The blocks have the distribution of each row's next event.
    """
    item = came.item
    parts: tuple[list[ScoredParts], list[ScoredParts]] = ([], [])
    (items,) = to_device([item], candidates.device)
    matrix = candidates.category_matrix
    for block in blocks:
        components = InterestComponents(block, rows[block.rows], candidates)
        features = interest_features(rows[block.rows], silent_s[block.rows], components.confidence)
        (p,) = to_host([components.of_items(items[block.rows].unsqueeze(1)).squeeze(1).double()])
        columns = came.query[block.rows], came.after_s[block.rows], features
        parts[0].append(ScoredParts(*columns, p, (item[block.rows] > 0).astype(np.float64)))
        if not matrix.shape[0]:
            continue
        known = items[block.rows].clamp(max=matrix.shape[1] - 1) * (items[block.rows] < matrix.shape[1])
        share = matrix.index_select(1, known)
        (shares,) = to_host([(share.to_dense() if share.is_sparse else share).T.double()])  # [p, C]
        (category_p,) = to_host([components.of_categories().double()])  # [p, E, C]
        row, category = np.nonzero(shares)
        columns = columns[0][row], columns[1][row], features[row]
        parts[1].append(ScoredParts(*columns, category_p[row, :, category], shares[row, category]))
    none = ScoredParts(
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros((0, INTEREST_FEATURES)),
        np.zeros((0, len(COMPONENTS))),
        np.zeros(0),
    )
    items_, categories = (ScoredParts.concatenate([none, *kind]) for kind in parts)
    return items_, categories
