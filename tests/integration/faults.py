"""What tests break inside a worker: run in its process before it starts. The product has no hook for any of this."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from functools import wraps
from pkgutil import resolve_name
from typing import Any


def strike(method: str, number: int, which: signal.Signals, after: bool = False) -> None:
    """The process sends itself the signal before, or after, the n-th call of "module:Class.method"."""
    path, _, name = method.rpartition(".")
    calls = 0

    def hit(original: Callable[..., Any]) -> Callable[..., Any]:
        def count() -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), which)

        @wraps(original)
        async def awaited(*args: Any, **options: Any) -> Any:
            if not after:
                count()
            result = await original(*args, **options)
            if after:
                count()
            return result

        @wraps(original)
        def called(*args: Any, **options: Any) -> Any:
            if not after:
                count()
            result = original(*args, **options)
            if after:
                count()
            return result

        return awaited if inspect.iscoroutinefunction(original) else called

    owner = resolve_name(path)
    setattr(owner, name, hit(getattr(owner, name)))
