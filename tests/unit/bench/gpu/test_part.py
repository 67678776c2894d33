from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.gpu.part import Deadline, Figures, GpuRun, OutOfTime, Part, PartFailed, PartResult, PartSkipped, run_part
from bench.gpu.sizes import SMALL

RUN = GpuRun(torch.device("cpu"), SMALL, Path("nowhere"))


def outcome(measure: Callable[[GpuRun, Deadline, Figures], None], seconds: float = 60) -> tuple[PartResult, list[str]]:
    tracebacks: list[str] = []
    part = Part("one", 1.0, measure, lambda figures: f"value {figures['value']}")
    return run_part(RUN, part, seconds, tracebacks.append), tracebacks


def test_figures_of_a_part_are_summed_up_and_kept_for_later_parts() -> None:
    result, tracebacks = outcome(lambda run, deadline, figures: figures.update(value=3))
    assert (result.status, result.reason, result.summary, result.figures) == ("passed", "", "value 3", {"value": 3})
    assert RUN.figures["one"] == {"value": 3}
    assert not tracebacks


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (PartSkipped("no log"), "skipped", "no log"),
        (PartFailed("too different"), "failed", "too different"),
        (OutOfTime("time is up"), "shortened", "time is up"),
        (ModuleNotFoundError("No module", name="orjson"), "skipped", "package orjson is not installed"),
        (ValueError("a fault\nin two lines"), "failed", "ValueError: a fault"),
    ],
)
def test_whatever_a_part_raises_becomes_its_result(error: Exception, status: str, reason: str) -> None:
    def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
        figures["value"] = 1
        raise error

    result, tracebacks = outcome(measure)
    assert result.status == status
    assert reason in result.reason
    assert result.figures == {"value": 1}
    assert len(tracebacks) == isinstance(error, ValueError)


def test_a_part_without_time_is_skipped() -> None:
    result, _ = outcome(lambda run, deadline, figures: figures.update(value=3), seconds=0)
    assert (result.status, result.figures) == ("skipped", {})


def test_figures_without_those_of_the_summary_have_none() -> None:
    result, _ = outcome(lambda run, deadline, figures: figures.update(other=3))
    assert result.summary == ""


def test_a_deadline_stops_progress_but_not_at_its_end() -> None:
    deadline = Deadline(0)
    deadline.on_progress(5, 5)
    with pytest.raises(OutOfTime):
        deadline.on_progress(4, 5)
