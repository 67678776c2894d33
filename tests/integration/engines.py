"""Engines that replace the network in worker processes."""

from __future__ import annotations

from typing import Any, NoReturn


class Raising:
    """Fails at its first step."""

    def step(self, *_: Any, **__: Any) -> NoReturn:
        raise ZeroDivisionError("the engine broke")
