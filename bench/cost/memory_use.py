"""Memory use: bytes per user of the row's fields, and per item of every table of engine and learner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.cost.workload import ModelUnderTest

_TRAVERSED_PACKAGES = ("models.", "torch.nn.", "torch.optim.")


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of one field of a row, or of one table."""

    owner: str
    """row, experts, engine or learner"""
    name: str
    bytes: float
    """Per user or item"""


def memory_use(model: ModelUnderTest, items: int) -> list[MemoryUse]:
    """All fields of a row, and all tables of engine and learner; without strings such as ids and titles."""
    row = model.layout.dtype
    used = [MemoryUse("row", name, float(row[name].itemsize)) for name in row.names or ()]
    seen: set[int] = set()
    for name, root in (("engine", model.engine), ("learner", model.learner)):
        for path, array in _arrays(root, name, seen):
            size = _per_item(array, items)
            if size is not None:
                parts = path.split(".")
                parts = parts[parts.index("experts") if "experts" in parts else 0 :]
                used.append(MemoryUse(parts[0], ".".join(parts[1:]), size))
    return used


def _per_item(array: Any, items: int) -> float | None:
    """Bytes per item; None if the array has no row per item. Tables have capacity for up to twice their items."""
    rows = [size for size in array.shape if items < size <= 2 * max(items, 1024)]
    return array.nbytes / rows[0] if rows else None


def _arrays(root: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every array reachable from `root`, once, with its attribute path."""
    if id(root) in seen:
        return
    seen.add(id(root))
    if isinstance(root, np.ndarray | torch.Tensor):
        # A sparse matrix is a view of tables that are counted themselves; its nbytes would be that of a dense one.
        if not (isinstance(root, torch.Tensor) and root.layout != torch.strided):
            yield path, root
    elif isinstance(root, dict):
        # The state of torch.optim is keyed by parameter.
        for index, (name, child) in enumerate(root.items()):
            yield from _arrays(child, f"{path}.{name if isinstance(name, str) else index}", seen)
    elif isinstance(root, list | tuple):
        for index, child in enumerate(root):
            yield from _arrays(child, f"{path}.{index}", seen)
    elif type(root).__module__.startswith(_TRAVERSED_PACKAGES):
        slots = (name for class_ in type(root).__mro__ for name in getattr(class_, "__slots__", ()))
        names = dict.fromkeys([*getattr(root, "__dict__", ()), *slots])
        for name in names:
            # torch modules keep their parameters in these dicts.
            child_path = path if name in ("_parameters", "_modules", "_buffers") else f"{path}.{name.lstrip('_')}"
            yield from _arrays(getattr(root, name, None), child_path, seen)
