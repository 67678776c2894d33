from io import StringIO

from rich.console import Console

from streams.experiments.fold import ExperimentFold
from streams.terminal.experiments import print_result
from tests.unit.streams.experiments.rewards import experiment


def test_an_arm_without_rewards_is_not_called_the_control() -> None:
    fold = ExperimentFold()
    fold.put("e", experiment())
    console = Console(file=StringIO(), width=120)
    print_result(console, fold.results()["e"])
    assert isinstance(console.file, StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["a", "0", "0", "-", "control"] in lines
    assert ["b", "(policy=thompson)", "0", "0", "-", "-"] in lines
