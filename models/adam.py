"""Adam over whole tensors and over single rows of large tables, with steps that happen entirely or not at all.

Kingma & Ba, 2015. Rows that a step does not touch keep their moments as they are ("lazy" Adam), so a step over a large
table costs what its touched rows cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_BETA1 = 0.9
_BETA2 = 0.999
_EPSILON = 1e-8


@dataclass(frozen=True, slots=True)
class Change:
    """A gradient for a parameter, or for some of its rows."""

    name: str
    parameter: Tensor
    gradient: Tensor
    rows: Tensor | slice


class Adam:
    """Moments by parameter name."""

    def __init__(self, clip: float) -> None:
        self._clip = clip
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        self._steps = 0

    @torch.no_grad()
    def apply(self, changes: Sequence[Change], rate: float) -> bool:
        """Whether the step was taken: False, and nothing changed, where a gradient or a new value is not finite."""
        norm = torch.stack([torch.linalg.vector_norm(change.gradient) for change in changes]).norm()
        if not bool(torch.isfinite(norm)):
            return False
        scale = (self._clip / norm.clamp(min=self._clip)).item()
        steps = self._steps + 1
        rate *= (1 - _BETA2**steps) ** 0.5 / (1 - _BETA1**steps)
        proposed: list[tuple[Tensor, Tensor, Tensor]] = []
        for change in changes:
            first, second = self._of(change)
            gradient = change.gradient * scale
            first = first[change.rows] * _BETA1 + gradient * (1 - _BETA1)
            second = (second[change.rows] * _BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
            value = change.parameter[change.rows].addcdiv(first, second.sqrt().add_(_EPSILON), value=-rate)
            proposed.append((value, first, second))
        if not all(bool(torch.isfinite(value).all()) for value, _, _ in proposed):
            return False
        for change, new in zip(changes, proposed, strict=True):
            for old, tensor in zip((change.parameter, *self._moments[change.name]), new, strict=True):
                old[change.rows] = tensor
        self._steps = steps
        return True

    def _of(self, change: Change) -> tuple[Tensor, Tensor]:
        """Moments of the parameter; a table that has grown gets zeros for its new rows."""
        like = change.parameter
        moments = self._moments.get(change.name)
        if moments is None or len(moments[0]) < len(like):
            grown = torch.zeros_like(like), torch.zeros_like(like)
            if moments is not None:
                for new, old in zip(grown, moments, strict=True):
                    new[: len(old)] = old
            moments = self._moments[change.name] = grown
        return moments
