"""An event loop with a clock of its own: waits take no time, and last as long as they should, within a millisecond."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Moves the clock by the time that the loop would wait, instead of waiting."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0.0)
        self.now_s += 1e-6  # never quite still: a wait that rounding makes too short ends nevertheless
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; `time.monotonic()` and the event loop's timers follow the simulated clock."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=_Loop) as runner:
        patch.setattr(time, "monotonic", runner.get_loop().time)
        return runner.run(main)
