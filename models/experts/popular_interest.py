"""What the outlook reads of popularity: the same for all users, and as good as the same from one step to the next."""

from typing import Final

import torch
from torch import Tensor

from models.experts.candidates import Candidates, largest

REUSED_PREDICTIONS: Final = 256
"""Predictions for which it is kept: with half-lives of 1 000 events and more, popularity hardly moves meanwhile"""


class PopularInterest:
    """The most popular items and the popularity of categories, found anew from time to time. For one thread."""

    def __init__(self) -> None:
        self.columns = torch.zeros(0, dtype=torch.long)
        """[Q] the items, once for all half-lives"""
        self.category_p = torch.zeros(0, 0)
        """[half-lives, C] of all users"""
        self._count = 0
        self._categories: Tensor | None = None  # the matrix that they are of
        self._left = 0

    def refresh(self, candidates: Candidates, popular: Tensor, count: int, predictions: int) -> None:
        """Follow `popular` [half-lives, N + 1]: its `count` largest items, for so many more predictions."""
        self._left -= predictions
        if self._left >= 0 and self._count == count and self._categories is candidates.category_matrix:
            return
        self.columns = torch.unique(largest(popular, count)[1])
        self.category_p = candidates.category_p(popular)
        self._count, self._categories, self._left = count, candidates.category_matrix, REUSED_PREDICTIONS
