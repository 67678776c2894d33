"""Ranking: where an item stands among the candidates of a counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.quality.scorer import TOP, Scores

_FLOOR = 1e-6
"""Share of the probability that is spread evenly: a candidate that was never counted has some too"""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One event's place."""

    rank: float
    log_p: float
    top1_p: float
    top1_hit: bool
    value: float
    shown: NDArray[np.int64]
    """[TOP]"""

    @classmethod
    def of(cls, weight: NDArray[np.float64], had: Sequence[int], item: int, value: float = np.nan) -> Ranking:
        """The item's place among all by weight [known + 1], which is not negative, less those that the user had.

        Probabilities are shares of the weight. Overwrites the weights of what is no candidate.
        """
        weight[0] = -1.0
        if len(had):
            weight[had] = -1.0
        candidates = int(np.count_nonzero(weight >= 0))
        shown = np.zeros(TOP, dtype=np.int64)
        if not candidates:
            return cls(np.inf, -np.inf, 0.0, False, value, shown)
        top = int(np.argmax(weight))
        total = float(weight.sum()) + (len(weight) - candidates)
        count = min(TOP, candidates)
        shown[:count] = np.argpartition(-weight, count - 1)[:count]

        def share(at: int) -> float:
            counted = weight[at] / total if total > 0 else 1 / candidates
            return float((1 - _FLOOR) * counted + _FLOOR / candidates)

        if item >= len(weight) or weight[item] < 0:
            return cls(np.inf, -np.inf, share(top), False, value, shown)
        own = weight[item]
        above, equal = int(np.count_nonzero(weight > own)), int(np.count_nonzero(weight == own))
        return cls(above + (equal + 1) / 2, float(np.log(share(item))), share(top), top == item, value, shown)


def scores(rankings: Sequence[Ranking]) -> Scores:
    """The rankings of one event after the other."""
    return Scores(
        rank=np.array([one.rank for one in rankings], dtype=np.float64),
        log_p=np.array([one.log_p for one in rankings], dtype=np.float64),
        top1_p=np.array([one.top1_p for one in rankings], dtype=np.float64),
        top1_hit=np.array([one.top1_hit for one in rankings], dtype=np.bool_),
        value=np.array([one.value for one in rankings], dtype=np.float64),
        shown=np.array([one.shown for one in rankings], dtype=np.int64).reshape(-1, TOP),
    )
