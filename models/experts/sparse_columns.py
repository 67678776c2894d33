"""Numbers for some of the items of each row: those that a user's last items lead to, or for all items."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SparseColumns:
    """Which M items of each of p rows [p, N + 1] are meant; one may come twice, as long as it says the same."""

    at: Tensor | None
    """[p, M] items; None: all of them, and M is N + 1"""

    def pick(self, each: Tensor) -> Tensor:
        """[p, M] what rows [p, N + 1] hold there, or one row that is alike for all."""
        if self.at is None:
            return each
        return each.expand(len(self.at), -1).gather(1, self.at)

    def add(self, rows: Tensor, number: Tensor, weight: Tensor) -> None:
        """Add Σ_f weight [F, p, 1] · number [F, p, M] to the rows [p, N + 1]."""
        here = self.pick(rows)
        for each, part in zip(number, weight, strict=True):
            here.addcmul_(each, part)
        if self.at is not None:
            rows.scatter_(1, self.at, here)

    def of(self, number: Tensor, item: Tensor) -> Tensor:
        """[F, p] the numbers [F, p, M], none negative, of one item [p]; 0 where it is not meant."""
        if self.at is None:
            return number.gather(2, item.expand(len(number), -1).unsqueeze(2)).squeeze(2)
        return (number * (self.at == item.unsqueeze(1))).amax(2)

    def mean(self, number: Tensor, p: Tensor) -> Tensor:
        """[F, p] means of the numbers [F, p, M] under distributions [p, N + 1]; they are 0 elsewhere."""
        if self.at is None:
            return torch.einsum("pn,fpn->fp", p, number)
        return torch.stack([torch.zeros_like(p).scatter_(1, self.at, each).mul_(p).sum(1) for each in number])
