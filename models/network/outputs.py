"""Outputs of the interest network: of its incremental form and of its sequence form."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """Output of `InterestNetwork.step` for P states and their windows."""

    interest: Tensor
    """[P, D]"""
    attention: Tensor
    """[P, K] weights; all 0 in a network without attention"""
    copied: Tensor
    """[P, K] probability that the next event repeats the item of this one; all 0 where repeats are filtered"""
    long_term: Tensor | None = None
    """[P, D] the part of `interest` that comes from the events as a set; None in a network without it"""

    def __getitem__(self, rows: slice) -> "NetworkOutput":
        long_term = None if self.long_term is None else self.long_term[rows]
        return NetworkOutput(self.interest[rows], self.attention[rows], self.copied[rows], long_term)


@dataclass(frozen=True, slots=True)
class SequenceOutput:
    """Output of `InterestNetwork.forward` for sequences [B, T]: before the first event and after each."""

    interest: Tensor
    """[B, T + 1, D]"""
    copy_score: Tensor | None
    """[B, T + 1, T] logit of repeating each event; None where repeats are filtered"""
    gate: Tensor | None
    """[B, T + 1] logit of repeating any; None likewise"""
