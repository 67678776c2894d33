"""Stage clock: time of one thread by function, measured while the program runs unchanged.

The functions are replaced by timed wrappers while the clock runs. Time of a nested stage is not counted in the outer
stage, so all stages and the time outside of them sum to the total.
"""

from __future__ import annotations

import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

Clock = Callable[[], int]
"""A time in ns"""

OUTSIDE = ""
"""Name of the time outside of all stages"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A function whose time is measured."""

    owner: Any
    """Module or class whose attribute the program calls"""
    function: str
    name: str
    """Functions with the same name are one stage"""
    include_nested: bool = False
    """Whether nested stages are counted in this stage"""


class StageClock:
    """Time by stage since the last `take_times`, for one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent: defaultdict[str, int] = defaultdict(int)
        self._stack = [OUTSIDE]
        self._including_nested = False
        self._last_ns = clock()

    @contextmanager
    def measuring(self, stages: tuple[Stage, ...]) -> Iterator[None]:
        """Time these stages inside the block; the functions are restored afterwards."""
        with ExitStack() as stack:
            for stage in stages:
                original = inspect.getattr_static(stage.owner, stage.function)
                setattr(stage.owner, stage.function, self._timed(original, stage))
                stack.callback(setattr, stage.owner, stage.function, original)
            yield

    def take_times(self) -> dict[str, int]:
        """Time in ns by stage since the last call, including `OUTSIDE`."""
        self._add_elapsed()
        spent, self._spent = self._spent, defaultdict(int)
        return dict(spent)

    @contextmanager
    def stage(self, name: str, include_nested: bool = False) -> Iterator[None]:
        """Time the block as a stage of this name; `include_nested` as in `Stage`."""
        if self._including_nested:
            yield
            return
        self._add_elapsed()
        self._stack.append(name)
        self._including_nested = include_nested
        try:
            yield
        finally:
            self._add_elapsed()
            self._stack.pop()
            self._including_nested = False

    def _timed(self, original: Any, stage: Stage) -> Any:
        if inspect.isgeneratorfunction(original):

            def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
                generator = original(*args, **kwargs)
                end = object()
                while True:
                    with self.stage(stage.name, stage.include_nested):
                        value = next(generator, end)
                    if value is end:
                        return
                    yield value

            return iterate

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.stage(stage.name, stage.include_nested):
                return original(*args, **kwargs)

        return call

    def _add_elapsed(self) -> None:
        now = self._clock()
        self._spent[self._stack[-1]] += now - self._last_ns
        self._last_ns = now


def device_clock(device: torch.device) -> Clock:
    """Clock in ns: CPU time of the calling thread; for CUDA wall time, synchronised with the device at each reading."""
    if device.type != "cuda":
        return time.thread_time_ns

    def now() -> int:
        torch.cuda.synchronize(device)
        return time.perf_counter_ns()

    return now
