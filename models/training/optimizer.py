"""Adam and AdaGrad over whole tensors and over single rows of large tables; a step happens entirely or not at all.

Kingma & Ba, 2015; Duchi, Hazan & Singer, 2011. Rows that a step does not touch keep their moments as they are ("lazy"),
so a step over a large table costs what its touched rows cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

OptimizerName = Literal["adam", "adagrad"]

_BETA1 = 0.9
_BETA2 = 0.999
_EPSILON = {"adam": 1e-8, "adagrad": 1e-10}
_MOMENTS: Final = {"adam": 2, "adagrad": 1}
"""Tensors of a parameter's shape that are remembered"""


@dataclass(frozen=True, slots=True)
class RowGradient:
    """A gradient for a parameter, or for some of its rows."""

    name: str
    parameter: Tensor
    values: Tensor
    rows: Tensor | slice


class Optimizer:
    """Moments by parameter name."""

    def __init__(self, name: OptimizerName, clip: float) -> None:
        """`clip` is the largest norm of a step's gradient."""
        self._name = name
        self._clip = clip
        self._moments: dict[str, tuple[Tensor, ...]] = {}
        self._steps = 0

    @torch.no_grad()
    def step(self, changes: Sequence[RowGradient], rate: float) -> bool:
        """Whether the step was taken: False, and nothing changed, where a gradient or a new value is not finite."""
        norm = torch.stack([torch.linalg.vector_norm(change.values) for change in changes]).norm()
        if not bool(torch.isfinite(norm)):
            return False
        scale = (self._clip / norm.clamp(min=self._clip)).item()
        proposed: list[tuple[Tensor, ...]] = []
        for change in changes:
            moments = tuple(moment[change.rows] for moment in self._of(change))
            step, moments = self._update(change.values * scale, moments)
            proposed.append((change.parameter[change.rows] - rate * step, *moments))
        if not all(bool(torch.isfinite(value).all()) for value, *_ in proposed):
            return False
        for change, new in zip(changes, proposed, strict=True):
            for old, tensor in zip((change.parameter, *self._moments[change.name]), new, strict=True):
                old[change.rows] = tensor
        self._steps += 1
        return True

    def state(self) -> dict[str, Tensor]:
        """Copy of everything, on the CPU."""
        moments = {
            f"{name}.{number}": moment.detach().to("cpu", copy=True)
            for name, each in self._moments.items()
            for number, moment in enumerate(each)
        }
        return moments | {"steps": torch.tensor(self._steps)}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from `state`, which an optimizer of this name made."""
        self._steps = int(state["steps"])
        names = dict.fromkeys(key.rpartition(".")[0] for key in state if key != "steps")
        self._moments = {
            name: tuple(state[f"{name}.{number}"].to(device, copy=True) for number in range(_MOMENTS[self._name]))
            for name in names
        }

    def _update(self, gradient: Tensor, moments: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the rate is multiplied by, and the moments after the step."""
        if self._name == "adagrad":
            total = torch.addcmul(moments[0], gradient, gradient)
            return gradient / total.sqrt().add_(_EPSILON["adagrad"]), (total,)
        steps = self._steps + 1
        first = moments[0] * _BETA1 + gradient * (1 - _BETA1)
        second = (moments[1] * _BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        correction: float = (1 - _BETA2**steps) ** 0.5 / (1 - _BETA1**steps)
        return correction * first / second.sqrt().add_(_EPSILON["adam"]), (first, second)

    def _of(self, change: RowGradient) -> tuple[Tensor, ...]:
        """Moments of the parameter; a table that has grown gets zeros for its new rows."""
        like = change.parameter
        moments = self._moments.get(change.name, ())
        if not moments or len(moments[0]) < len(like):
            grown = tuple(torch.zeros_like(like) for _ in range(_MOMENTS[self._name]))
            for new, old in zip(grown, moments, strict=False):
                new[: len(old)] = old
            moments = self._moments[change.name] = grown
        return moments
