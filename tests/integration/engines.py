"""Engines that replace the network in worker processes."""

from __future__ import annotations

import time
from typing import Any, NoReturn


class Raising:
    """Fails at its first step."""

    def step(self, *_: Any, **__: Any) -> NoReturn:
        raise ZeroDivisionError("the engine broke")


class Sleeping:
    """Its first step never returns."""

    def step(self, *_: Any, **__: Any) -> NoReturn:
        while True:
            time.sleep(1)  # until the watchdog ends the process
