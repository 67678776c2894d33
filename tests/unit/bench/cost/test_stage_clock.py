from collections.abc import Iterator

import pytest
import torch

from bench.cost.stage_clock import OUTSIDE, Stage, StageClock, device_clock


class Program:
    """A program whose functions take the time that is written beside them."""

    def __init__(self) -> None:
        self.now = 0

    def clock(self) -> int:
        return self.now

    def work(self) -> str:
        self.now += 10
        self.inner()
        for _ in self.parts(2):
            self.now += 3
        return "done"

    def inner(self) -> None:
        self.now += 5

    def parts(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.now += 1
            yield number
        self.now += 100

    def fail(self) -> None:
        self.now += 7
        raise KeyError


STAGES = (Stage(Program, "work", "work"), Stage(Program, "inner", "inner"), Stage(Program, "parts", "parts"))


def test_a_stage_inside_another_is_not_counted_twice() -> None:
    program = Program()
    stages = StageClock(program.clock)
    program.now += 2
    with stages.measuring(STAGES):
        assert program.work() == "done"
    program.now += 4
    assert stages.take_times() == {OUTSIDE: 6, "work": 16, "inner": 5, "parts": 102}
    assert sum(stages.take_times().values()) == 0


def test_a_stage_with_include_nested_counts_nested_stages() -> None:
    program = Program()
    stages = StageClock(program.clock)
    with stages.measuring((Stage(Program, "work", "work", include_nested=True), *STAGES[1:])):
        program.work()
        program.inner()
    assert stages.take_times() == {OUTSIDE: 0, "work": 123, "inner": 5}


def test_a_block_is_a_stage_too() -> None:
    program = Program()
    stages = StageClock(program.clock)
    with stages.measuring(STAGES), stages.stage("rest"):
        program.now += 1
        program.inner()
        program.now += 2
    assert stages.take_times() == {OUTSIDE: 0, "rest": 3, "inner": 5}


def test_the_functions_are_restored_after_an_error() -> None:
    program, before = Program(), dict(vars(Program))
    stages = StageClock(program.clock)
    with pytest.raises(KeyError), stages.measuring((*STAGES, Stage(Program, "fail", "fail"))):
        program.fail()
    assert dict(vars(Program)) == before
    program.now += 1
    assert stages.take_times() == {"fail": 7, OUTSIDE: 1}


def test_a_missing_function_is_an_error() -> None:
    with (
        pytest.raises(AttributeError, match="gone"),
        StageClock(Program().clock).measuring((STAGES[0], Stage(Program, "gone", "gone"))),
    ):
        pass
    assert Program().work() == "done"


def test_the_cpu_clock_advances_with_work() -> None:
    clock = device_clock(torch.device("cpu"))
    start = clock()
    assert sum(range(100_000))
    assert clock() > start


@pytest.mark.cuda
def test_the_clock_of_a_device_waits_for_it(device: str) -> None:
    rows = 256 if device == "cpu" else 4096
    clock, large = device_clock(torch.device(device)), torch.rand(rows, rows, device=device)
    clock()
    start = clock()
    for _ in range(20):
        large = large @ large / 4096
    assert clock() - start > 1_000_000
