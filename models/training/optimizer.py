"""torch.optim for the network: Adam or Adagrad, with item tables that grow and steps that touch some of their rows.

The tables get sparse gradients (SparseAdam, Adagrad): the state of other rows stays as it is, so the cost of a step is
that of its rows. The shared parameters get dense ones (Adam, Adagrad).
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adagrad, Adam, Optimizer, SparseAdam

from models.network.interest_network import ITEM_TABLES, InterestNetwork

OptimizerName = Literal["adam", "adagrad"]


@dataclass(frozen=True, slots=True)
class RowGradient:
    """Gradient of a parameter, or of some of its rows."""

    name: str
    values: Tensor
    """[R, ...]"""
    rows: Tensor | None = None
    """[R] distinct, rising; None: all rows"""


class NetworkOptimizer:
    """Clips gradients by their norm and takes optimizer steps on one network."""

    def __init__(self, network: InterestNetwork, name: OptimizerName, max_grad_norm: float) -> None:
        _leave_compiler_out()
        self._network = network
        self._max_grad_norm = max_grad_norm
        named = dict(network.named_parameters())
        tables = [named.pop(table) for table in ITEM_TABLES]
        self._shared = Adam(named.values(), fused=True) if name == "adam" else Adagrad(named.values())
        self._tables = SparseAdam(tables) if name == "adam" else Adagrad(tables)

    def step(self, gradients: Sequence[RowGradient], lr: float) -> bool:
        """Whether the step was taken: False, and nothing changed, where the norm of the gradients is not finite."""
        norm = nn.utils.get_total_norm([gradient.values for gradient in gradients])
        if not bool(torch.isfinite(norm)):
            return False
        self._follow_growth()
        parameters = dict(self._network.named_parameters())
        scale = (self._max_grad_norm / norm.clamp(min=self._max_grad_norm)).item()
        for gradient in gradients:
            parameters[gradient.name].grad = _grad(parameters[gradient.name], gradient, scale)
        for optimizer in (self._shared, self._tables):
            (group,) = optimizer.param_groups
            group["lr"] = lr
            _take_step(optimizer)
            optimizer.zero_grad()
        return True

    def state(self) -> dict[str, Tensor]:
        """Copy of the optimizer state on the CPU."""
        self._follow_growth()
        return {
            f"{name}.{key}": torch.as_tensor(value).to("cpu", copy=True)
            for name, parameter in self._network.named_parameters()
            for key, value in self._optimizer_of(name).state[parameter].items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from `state`, which an optimizer of the same name made; its item tables may have had fewer rows."""
        parameters = dict(self._network.named_parameters())
        for path, value in state.items():
            name, _, key = path.rpartition(".")
            parameter, optimizer = parameters[name], self._optimizer_of(name)
            is_count = key == "step" and isinstance(optimizer, SparseAdam)
            if name in ITEM_TABLES:
                value = _padded(value, len(parameter))
            optimizer.state[parameter][key] = int(value) if is_count else value.to(parameter.device, copy=True)

    def reset_rows(self, row: Tensor) -> None:
        """Begin anew with these rows of the item tables."""
        self._follow_growth()
        for name in ITEM_TABLES:
            for value in self._tables.state[self._network.get_parameter(name)].values():
                if isinstance(value, Tensor) and value.dim():
                    value[row] = 0

    def _optimizer_of(self, name: str) -> Optimizer:
        return self._tables if name in ITEM_TABLES else self._shared

    def _follow_growth(self) -> None:
        """Move the state to the network's present tables, which growth replaces; new rows begin with zeros."""
        (group,) = self._tables.param_groups
        tables = [self._network.get_parameter(name) for name in ITEM_TABLES]
        for old, new in zip(group["params"], tables, strict=True):
            if new is not old:
                state = self._tables.state.pop(old, {})
                self._tables.state[new] = {key: _padded(value, len(new)) for key, value in state.items()}
        group["params"] = tables


def _leave_compiler_out() -> None:
    """Keep torch.optim from importing torch's compiler, which nothing here uses: 900 modules, 146 MiB and 1.3 s.

    Before it imports that, torch looks whether the function that it wraps has this attribute.
    """
    for method in (Optimizer.add_param_group, Optimizer.zero_grad):
        if (function := getattr(method, "__wrapped__", None)) is not None:
            function.__dynamo_disable = function


@torch.no_grad()
def _take_step(optimizer: Optimizer) -> None:
    """As `optimizer.step()`, whose wrappers import the compiler too."""
    # Else Adagrad warns that it does not check them.
    with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]  # torch has no types for it
        inspect.unwrap(type(optimizer).step)(optimizer)


def _grad(parameter: Tensor, gradient: RowGradient, scale: float) -> Tensor:
    values = gradient.values * scale
    if gradient.rows is None:
        return values
    return torch.sparse_coo_tensor(
        gradient.rows[None], values, parameter.shape, is_coalesced=True, check_invariants=False
    )


def _padded(value: Any, rows: int) -> Any:
    """A moment [old rows, ...] with zeros behind up to `rows`; a step count as it is."""
    if not isinstance(value, Tensor) or not value.dim():
        return value
    padded = value.new_zeros(rows, *value.shape[1:])
    padded[: len(value)] = value
    return padded
