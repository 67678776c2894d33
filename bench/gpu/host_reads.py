"""Counts operations that make the host wait for a device: reads of a number, and results whose size depends on data.

They are counted where torch dispatches them, so on a CPU too, where they cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_WAITING: Final = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "unique_dim", "equal")
_INDEXING: Final = ("index", "index_put", "index_put_", "_index_put_impl_")


class HostReads(TorchDispatchMode):
    """A context that counts these operations by name in `counts`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count and run the operation."""
        name = func.overloadpacket.__name__
        if name in _WAITING or (name in _INDEXING and _has_mask(args)):
            self.counts[name] += 1
        result = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_") and _leaves_device(args, result):
            self.counts["copy to the host"] += 1
        return result


def _has_mask(args: Sequence[Any]) -> bool:
    """Whether a tensor is indexed by a mask, whose numbers of True the host must know."""
    return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1])


def _leaves_device(args: Sequence[Any], result: Any) -> bool:
    # copy_(target, source) or _to_copy(source)
    source = args[1] if len(args) > 1 and isinstance(args[1], Tensor) else args[0]
    return isinstance(result, Tensor) and source.device.type != "cpu" and result.device.type == "cpu"
