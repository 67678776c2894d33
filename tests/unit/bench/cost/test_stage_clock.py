from collections.abc import Iterator

import pytest
import torch

from bench.cost.stage_clock import OUTSIDE, Stage, StageClock, clock_of


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
    with stages.running(STAGES):
        assert program.work() == "done"
    program.now += 4
    assert stages.take() == {OUTSIDE: 6, "work": 16, "inner": 5, "parts": 102}
    assert sum(stages.take().values()) == 0


def test_a_whole_stage_keeps_what_is_inside() -> None:
    program = Program()
    stages = StageClock(program.clock)
    with stages.running((Stage(Program, "work", "work", whole=True), *STAGES[1:])):
        program.work()
        program.inner()
    assert stages.take() == {OUTSIDE: 0, "work": 123, "inner": 5}


def test_a_part_of_the_program_may_be_named_without_a_function() -> None:
    program = Program()
    stages = StageClock(program.clock)
    with stages.running(STAGES), stages.during("rest"):
        program.now += 1
        program.inner()
        program.now += 2
    assert stages.take() == {OUTSIDE: 0, "rest": 3, "inner": 5}


def test_the_program_is_as_before_even_after_an_error() -> None:
    program, before = Program(), dict(vars(Program))
    stages = StageClock(program.clock)
    with pytest.raises(KeyError), stages.running((*STAGES, Stage(Program, "fail", "fail"))):
        program.fail()
    assert dict(vars(Program)) == before
    program.now += 1
    assert stages.take() == {"fail": 7, OUTSIDE: 1}


def test_a_function_that_is_not_there_is_an_error() -> None:
    with (
        pytest.raises(AttributeError, match="gone"),
        StageClock(Program().clock).running((STAGES[0], Stage(Program, "gone", "gone"))),
    ):
        pass
    assert Program().work() == "done"


def test_the_cpu_clock_stands_still_while_the_thread_sleeps() -> None:
    clock = clock_of(torch.device("cpu"))
    began = clock()
    assert sum(range(100_000))
    assert clock() > began


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_clock_of_a_device_waits_for_it() -> None:
    device = torch.device("cuda")
    clock, large = clock_of(device), torch.rand(4096, 4096, device=device)
    clock()
    began = clock()
    for _ in range(20):
        large = large @ large / 4096
    assert clock() - began > 1_000_000
