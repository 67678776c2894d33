"""Held memory: bytes of a user's row, and of every table that has a row per item, measured on the living objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import torch

from bench.cost.workload import Stand

_OURS = ("models.", "torch.nn.")


class Held(msgspec.Struct, frozen=True):
    """One field of a row, or one table."""

    holder: str
    """row, experts, engine or learner"""
    name: str
    bytes: float
    """Of one user or item"""


def held(stand: Stand, items: int) -> list[Held]:
    """All fields of a row, and all tables of engine and learner; strings such as ids and titles are not in it."""
    row = stand.layout.dtype
    found = [Held("row", name, float(row[name].itemsize)) for name in row.names or ()]
    seen: set[int] = set()
    for holder, owner in (("engine", stand.engine), ("learner", stand.learner)):
        for path, array in _arrays(owner, holder, seen):
            size = _per_item(array, items)
            if size is not None:
                parts = path.split(".")
                parts = parts[parts.index("experts") if "experts" in parts else 0 :]
                found.append(Held(parts[0], ".".join(parts[1:]), size))
    return found


def _per_item(array: Any, items: int) -> float | None:
    """Bytes per item; None where the array has no row per item. Tables have room for up to twice their items."""
    rows = [size for size in array.shape if items < size <= 2 * max(items, 1024)]
    return array.nbytes / rows[0] if rows else None


def _arrays(owner: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Each array below `owner` once, and the names that lead there."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    if isinstance(owner, np.ndarray | torch.Tensor):
        # A sparse matrix is another view of tables that are counted by themselves; its size as bytes would be dense.
        if not (isinstance(owner, torch.Tensor) and owner.layout != torch.strided):
            yield path, owner
    elif isinstance(owner, dict):
        for name, each in owner.items():
            yield from _arrays(each, f"{path}.{name}", seen)
    elif isinstance(owner, list | tuple):
        for number, each in enumerate(owner):
            yield from _arrays(each, f"{path}.{number}", seen)
    elif type(owner).__module__.startswith(_OURS):
        slots = (name for kind in type(owner).__mro__ for name in getattr(kind, "__slots__", ()))
        names = dict.fromkeys([*getattr(owner, "__dict__", ()), *slots])
        for name in names:
            # Modules of torch keep their parameters one name deeper.
            deeper = path if name in ("_parameters", "_modules", "_buffers") else f"{path}.{name.lstrip('_')}"
            yield from _arrays(getattr(owner, name, None), deeper, seen)
