from io import StringIO

from rich.console import Console

from streams.experiments.fold import ExperimentFold
from streams.experiments.result import ArmResult, ExperimentResult, GuardrailResult
from streams.schema.decisions.experiment import Arm, Parameter
from streams.terminal.experiments import print_experiments, print_result
from tests.unit.streams.experiments.rewards import experiment


def empty_result() -> ExperimentResult:
    fold = ExperimentFold()
    fold.put("e", experiment())
    return fold.results()["e"]


def printed(result: ExperimentResult) -> list[str]:
    console = Console(file=StringIO(), width=120)
    print_result(console, result)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_an_arm_without_rewards_is_not_called_the_control() -> None:
    lines = [line.split() for line in printed(empty_result())]
    assert ["a", "0", "0", "-", "control"] in lines
    assert ["b", "(policy=thompson)", "0", "0", "-", "-"] in lines


def test_the_interval_of_a_guardrail_is_of_the_difference_and_not_of_the_metric_beside_it() -> None:
    result = empty_result()

    def line(low: float | None, high: float | None) -> str:
        guardrail = GuardrailResult(
            metric="reward", harm="decrease", allowed=0.0, mean=0.4, low=low, high=high, is_crossed=False
        )
        arm: ArmResult = result.arms[1].model_copy(update={"guardrails": [guardrail]})
        return printed(result.model_copy(update={"arms": [result.arms[0], arm]}))[-1]

    assert line(0.27, 0.39) == "guardrail reward of b holds: 0.400, from control [0.270, 0.390]"
    assert line(None, None) == "guardrail reward of b holds: 0.400, its difference from control not known yet"


def test_names_of_arms_are_not_cut_on_narrow_terminals() -> None:
    parameters: dict[str, Parameter] = {"temperature": 0.125}
    console = Console(file=StringIO(), width=60)
    arms = (Arm(name="a"), Arm(name="b", policy="epsilon_greedy", parameters=parameters))
    print_experiments(console, [experiment(arms=arms)])
    assert isinstance(console.file, StringIO)
    printed_text = "".join(console.file.getvalue().split())
    assert "\u2026" not in printed_text
    assert "0.125" in printed_text
