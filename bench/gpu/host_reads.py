"""Counts operations that make the host wait for a device: reads of a number, and results whose size depends on data.

They are counted on a CPU too, where they cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_NUMBER_READS: Final = ("item", "tolist", "__bool__", "__float__", "__int__", "__index__")
_DATA_DEPENDENT: Final = ("nonzero", "masked_select", "unique", "_unique2", "unique_dim", "equal")
_INDEXING: Final = ("index", "index_put", "index_put_", "_index_put_impl_")


class HostReads:
    """A context that counts these operations by name in `counts`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # In inference mode torch does not dispatch the read of a number.
        self._stack.enter_context(_NumberReads(self.counts))
        self._stack.enter_context(_DataDependent(self.counts))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class _NumberReads(TorchFunctionMode):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def __torch_function__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _NUMBER_READS and args and isinstance(args[0], Tensor):
            self._counts[name] += 1
        return func(*args, **(kwargs or {}))


class _DataDependent(TorchDispatchMode):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types for it
        self._counts = counts

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in _DATA_DEPENDENT or (name in _INDEXING and _has_mask(args)):
            self._counts[name] += 1
        result = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_") and _leaves_device(args, result):
            self._counts["copy to the host"] += 1
        return result


def _has_mask(args: Sequence[Any]) -> bool:
    """Whether a tensor is indexed by a mask, whose numbers of True the host must know."""
    return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1])


def _leaves_device(args: Sequence[Any], result: Any) -> bool:
    # copy_(target, source) or _to_copy(source)
    source = args[1] if len(args) > 1 and isinstance(args[1], Tensor) else args[0]
    return isinstance(result, Tensor) and source.device.type != "cpu" and result.device.type == "cpu"
