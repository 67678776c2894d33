"""Values for some of the columns (items) of each row, as index and value tensors, or for all columns."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SparseColumns:
    """The M columns of each of p rows [p, N + 1] that have values; a column may come twice, with the same value."""

    index: Tensor | None
    """[p, M] columns; None: all of them in order, and M is N + 1"""

    def gather(self, dense: Tensor) -> Tensor:
        """[p, M] these columns of `dense` [p, N + 1], or of one row [1, N + 1] or [N + 1] for all."""
        if self.index is None:
            return dense
        return dense.expand(len(self.index), -1).gather(1, self.index)

    def add_to(self, dense: Tensor, values: Tensor, weight: Tensor) -> None:
        """Add Σ_f weight [F, p, 1] · values [F, p, M] to `dense` [p, N + 1] in place."""
        columns = self.gather(dense)  # [p, M]; `dense` itself where it is all columns
        for expert_values, expert_weight in zip(values, weight, strict=True):
            columns.addcmul_(expert_values, expert_weight)
        if self.index is not None:
            dense.scatter_(1, self.index, columns)

    def lookup(self, values: Tensor, item: Tensor) -> Tensor:
        """[F, p] the values [F, p, M], none negative, of one item [p]; 0 where it is not among the columns."""
        if self.index is None:
            return values.gather(2, item.expand(len(values), -1).unsqueeze(2)).squeeze(2)
        return (values * (self.index == item.unsqueeze(1))).amax(2)

    def mean(self, values: Tensor, p: Tensor) -> Tensor:
        """[F, p] means of the values [F, p, M] under distributions [p, N + 1]; other columns are 0."""
        if self.index is None:
            return torch.einsum("pn,fpn->fp", p, values)
        return torch.stack(
            [(torch.zeros_like(p).scatter_(1, self.index, expert_values) * p).sum(1) for expert_values in values]
        )
