"""Parts of the GPU benchmark, run one after the other within a time budget; none stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from bench.gpu.sizes import Sizes

Figures = dict[str, Any]
Status = Literal["passed", "failed", "skipped", "shortened"]


class PartSkipped(Exception):  # noqa: N818 - an outcome, no fault
    """The part cannot run here; the message is the reason."""


class PartFailed(Exception):  # noqa: N818 - likewise
    """The part ran, and its figures are not as they must be."""


class OutOfTime(Exception):  # noqa: N818 - likewise
    """The part's share of the time is used up."""


class Deadline:
    """The time until which a part may run."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until then, 0 afterwards."""
        return max(self._end - time.monotonic(), 0.0)

    def check(self) -> None:
        """OutOfTime where it is over."""
        if not self.seconds_left:
            raise OutOfTime("the time of this part was used up")

    def on_progress(self, done: int, total: int) -> None:
        """`check`, as a callback that reports progress."""
        if done < total:
            self.check()


@dataclass(frozen=True)
class GpuRun:
    """What all parts share."""

    device: torch.device
    sizes: Sizes
    logs: Path
    """Folder of the known event logs"""
    figures: dict[str, Figures] = field(default_factory=dict)
    """Of the parts that have run, by name"""


@dataclass(frozen=True)
class Part:
    """One part, which adds its figures to a dict while it runs, so that those of an unfinished one are kept."""

    name: str
    share: float
    """Of the time budget; what earlier parts leave is added"""
    measure: Callable[[GpuRun, Deadline, Figures], None]
    summary: Callable[[Figures], str]
    """The figures in one line"""


@dataclass(frozen=True)
class PartResult:
    """How one part went."""

    name: str
    status: Status
    seconds: float
    reason: str
    """Why it did not pass; empty where it did"""
    summary: str
    figures: Figures


def run_part(run: GpuRun, part: Part, seconds: float, on_traceback: Callable[[str], None]) -> PartResult:
    """Run the part for at most about `seconds`; whatever it raises becomes its result."""
    deadline = Deadline(seconds)
    begun = time.monotonic()
    figures: Figures = {}
    status: Status = "passed"
    reason = ""
    try:
        deadline.check()
        part.measure(run, deadline, figures)
    except OutOfTime as error:
        status, reason = ("shortened" if figures else "skipped"), str(error)
    except PartSkipped as error:
        status, reason = "skipped", str(error)
    except PartFailed as error:
        status, reason = "failed", str(error)
    except ModuleNotFoundError as error:
        status, reason = "skipped", f"the Python package {error.name} is not installed: carry it along (make wheels)"
    except Exception as error:
        status, reason = "failed", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        on_traceback(traceback.format_exc())
    run.figures[part.name] = figures
    return PartResult(part.name, status, round(time.monotonic() - begun, 1), reason, _summary(part, figures), figures)


def _summary(part: Part, figures: Figures) -> str:
    try:
        return part.summary(figures) if figures else ""
    except (KeyError, ValueError):  # of a part that did not reach its end
        return ""
