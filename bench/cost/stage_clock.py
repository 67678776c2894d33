"""Stages: how much of one thread's time falls to which function, while the program runs as it is.

Functions are replaced by timed ones for as long as the clock runs. A stage inside another is taken out of the outer
one, so that all stages and what is in none of them sum to the whole.
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
"""The stage of what is in none"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A function whose time is to be told apart."""

    owner: Any
    """Module or class that the program finds it in"""
    function: str
    name: str
    """Functions of one name are one stage"""
    whole: bool = False
    """Stages inside it are part of it"""


class StageClock:
    """Time by stage since the last `take`; for one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent: defaultdict[str, int] = defaultdict(int)
        self._open = [OUTSIDE]
        self._whole = False
        self._since = clock()

    @contextmanager
    def running(self, stages: tuple[Stage, ...]) -> Iterator[None]:
        """Time these, and leave the program as it was."""
        with ExitStack() as stack:
            for stage in stages:
                original = inspect.getattr_static(stage.owner, stage.function)
                setattr(stage.owner, stage.function, self._timed(original, stage))
                stack.callback(setattr, stage.owner, stage.function, original)
            yield

    def take(self) -> dict[str, int]:
        """Time in ns by stage, `OUTSIDE` included; it begins anew."""
        self._turn()
        spent, self._spent = self._spent, defaultdict(int)
        return dict(spent)

    @contextmanager
    def during(self, name: str, whole: bool = False) -> Iterator[None]:
        """Time what is done in here as the stage of this name; `whole` as in `Stage`."""
        if self._whole:
            yield
            return
        self._turn()
        self._open.append(name)
        self._whole = whole
        try:
            yield
        finally:
            self._turn()
            self._open.pop()
            self._whole = False

    def _timed(self, original: Any, stage: Stage) -> Any:
        if inspect.isgeneratorfunction(original):

            def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
                generator = original(*args, **kwargs)
                nothing = object()
                while True:
                    with self.during(stage.name, stage.whole):
                        each = next(generator, nothing)
                    if each is nothing:
                        return
                    yield each

            return iterate

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.during(stage.name, stage.whole):
                return original(*args, **kwargs)

        return call

    def _turn(self) -> None:
        now = self._clock()
        self._spent[self._open[-1]] += now - self._since
        self._since = now


def clock_of(device: torch.device) -> Clock:
    """CPU time of the calling thread; on CUDA wall time, where it waits for the device at each reading."""
    if device.type != "cuda":
        return time.thread_time_ns

    def now() -> int:
        torch.cuda.synchronize(device)
        return time.perf_counter_ns()

    return now
