"""Diversity of a slate as the volume of its items: log-determinants of their similarities, place by place."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.policy.slate import NO_ITEM, CandidateBatch, FloatArray, IntArray

_LARGEST_SIMILARITY: Final = 0.95
"""Of two items with the same categories: below 1, as a slate may show both"""
_LEAST_VOLUME: Final = 1e-6


class LogDeterminantGain:
    """What each candidate of B decisions adds to log det S of its slate, S being the similarities of the items in it.

    S_ij = 0.95 times the cosine of the sets of categories of i and j, and S_ii = 1: the kernel of a determinantal point
    process. The gain is log d², where d² is the part of the candidate that the items of the slate do not explain, by a
    Cholesky factor that grows by a row with each place (Chen, Zhang and Zhou, NeurIPS 2018).
    """

    def __init__(self, batch: CandidateBatch) -> None:
        """ValueError where the batch has no categories."""
        categories = batch.categories
        if categories is None:
            if batch.category is None:
                raise ValueError("diversity needs the categories of the candidates")
            categories = batch.category[..., None]
        self._categories = categories  # [B, C, M]
        self._norm = np.sqrt(np.maximum((categories >= 0).sum(-1), 1))
        self._rows = np.arange(len(categories))
        self._unexplained = np.ones(categories.shape[:2])
        self._factor = np.zeros((0, *categories.shape[:2]))  # [K, B, C] rows of the places so far

    @property
    def gain(self) -> FloatArray:
        """[B, C] log d² of each candidate as the next item."""
        return np.log(np.maximum(self._unexplained, _LEAST_VOLUME))

    def fill(self, position: IntArray) -> None:
        """The next place of each slate has the candidate at this position [B], NO_ITEM where there is none."""
        rows, chosen = self._rows, np.maximum(position, 0)
        row = self._similarity(chosen)
        row -= np.einsum("kb,kbc->bc", self._factor[:, rows, chosen], self._factor)
        row /= np.sqrt(np.maximum(self._unexplained[rows, chosen], _LEAST_VOLUME))[:, None]
        row[position == NO_ITEM] = 0
        self._factor = np.concatenate([self._factor, row[None]])
        self._unexplained = np.maximum(self._unexplained - np.square(row), 0)

    def _similarity(self, chosen: IntArray) -> FloatArray:
        """[B, C] of all candidates to the chosen one [B]."""
        of_chosen = self._categories[self._rows, chosen]  # [B, M]
        same = self._categories[..., None] == of_chosen[:, None, None, :]
        shared = (same.any(-1) & (self._categories >= 0)).sum(-1)
        return np.asarray(_LARGEST_SIMILARITY * shared / (self._norm * self._norm[self._rows, chosen][:, None]))
