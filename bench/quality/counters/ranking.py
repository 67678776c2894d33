"""Rank and probability of an event's item among the candidates of a count-based scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.quality.scorer import TOP_K, EventScores

_FLOOR = 1e-6
"""Probability spread evenly over the candidates, so that none has probability 0"""


@dataclass(frozen=True, slots=True)
class ItemRanking:
    """How one event's item was ranked; fields as in `EventScores`."""

    rank: float
    log_p: float
    top1_p: float
    top1_hit: bool
    expected_value: float
    top_items: NDArray[np.int64]
    """[TOP_K]"""

    @classmethod
    def by_weight(
        cls, weight: NDArray[np.float64], excluded: Sequence[int], item: int, expected_value: float = np.nan
    ) -> ItemRanking:
        """Rank `item` among all items by non-negative weight [items + 1], except those `excluded`.

        Probabilities are shares of the weight. Overwrites the weights of excluded items.
        """
        weight[0] = -1.0
        if len(excluded):
            weight[excluded] = -1.0
        candidates = int(np.count_nonzero(weight >= 0))
        top_items = np.zeros(TOP_K, dtype=np.int64)
        if not candidates:
            return cls(np.inf, -np.inf, 0.0, False, expected_value, top_items)
        top = int(np.argmax(weight))
        total = float(weight.sum()) + (len(weight) - candidates)
        count = min(TOP_K, candidates)
        top_items[:count] = np.argpartition(-weight, count - 1)[:count]

        def probability(candidate: int) -> float:
            share = weight[candidate] / total if total > 0 else 1 / candidates
            return float((1 - _FLOOR) * share + _FLOOR / candidates)

        if item >= len(weight) or weight[item] < 0:
            return cls(np.inf, -np.inf, probability(top), False, expected_value, top_items)
        above = int(np.count_nonzero(weight > weight[item]))
        equal = int(np.count_nonzero(weight == weight[item]))
        rank, log_p = above + (equal + 1) / 2, float(np.log(probability(item)))
        return cls(rank, log_p, probability(top), top == item, expected_value, top_items)


def event_scores(rankings: Sequence[ItemRanking]) -> EventScores:
    """The rankings of consecutive events as arrays."""
    return EventScores(
        rank=np.array([ranking.rank for ranking in rankings], dtype=np.float64),
        log_p=np.array([ranking.log_p for ranking in rankings], dtype=np.float64),
        top1_p=np.array([ranking.top1_p for ranking in rankings], dtype=np.float64),
        top1_hit=np.array([ranking.top1_hit for ranking in rankings], dtype=np.bool_),
        expected_value=np.array([ranking.expected_value for ranking in rankings], dtype=np.float64),
        top_items=np.array([ranking.top_items for ranking in rankings], dtype=np.int64).reshape(-1, TOP_K),
    )
