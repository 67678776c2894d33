"""Experiments as tables: what there is, and what each has shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table

from streams.experiments.result import ArmEstimate, ArmResult, ExperimentResult, GuardrailResult
from streams.schema.decisions.experiment import Arm, Experiment, Parameter
from streams.terminal.text import format_time, printable


def print_experiments(console: Console, experiments: Iterable[Experiment]) -> None:
    """One line for each."""
    table = Table(_uncut("experiment"), "state", _uncut("arms"), "metric", "traffic", "since", box=None, pad_edge=False)
    for experiment in experiments:
        table.add_row(
            experiment.name,
            "running" if experiment.stopped_at is None else "stopped",
            printable("; ".join(_arm(arm) for arm in experiment.arms)),
            experiment.metric,
            f"{experiment.traffic:g}",
            format_time(experiment.created_at),
        )
    if not table.row_count:
        console.print("no experiment yet: interest-stream experiments create --help")
        return
    console.print(table)


def print_result(console: Console, result: ExperimentResult) -> None:
    """The arms, and what is concluded."""
    console.print(
        f"[bold]{result.name}[/] {result.state} since {format_time(result.stopped_at or result.created_at)}"
        + (f" ({printable(result.stopped_because)})" if result.stopped_because else ""),
        soft_wrap=True,
    )
    table = Table(
        _uncut("arm"), "users", "decisions", result.metric, "from control", "p", _uncut(""), box=None, pad_edge=False
    )
    for arm in result.arms:
        table.add_row(
            printable(_described(arm.name, arm.policy, arm.recipe, arm.parameters)),
            f"{arm.users:,}",
            f"{arm.decisions:,}",
            _interval(arm.mean, arm.low, arm.high),
            _from_control(arm, result),
            "" if arm.p_value is None or arm.difference is None else f"{arm.p_value:.3g}",
            printable(_state(arm, result)),
        )
    console.print(table)
    for line in _conclusions(result):
        console.print(line, soft_wrap=True, markup=False)


def print_estimates(console: Console, estimates: Sequence[ArmEstimate], decisions: int, left_out: int) -> None:
    """One line for each arm."""
    table = Table(
        _uncut("arm"), "reward (SNIPS)", "reward (switch-DR)", "decisions, effectively", box=None, pad_edge=False
    )
    for arm in estimates:
        cells = [
            "" if (of := arm.estimates.get(name)) is None else _interval(of.value, of.low, of.high)
            for name in ("snips", "switch_dr")
        ]
        if (mean := arm.estimates.get("mean")) is not None:
            cells[0] = f"{_interval(mean.value, mean.low, mean.high)} earned"
        table.add_row(printable(arm.name), *cells, f"{arm.effective_decisions:,.0f}")
    console.print(table)
    if left_out:
        console.print(f"{left_out:,} of {decisions + left_out:,} decisions are left out: not all candidates are logged")


def _uncut(heading: str) -> Column:
    """Of names: one that is wider than the terminal, or a pipe, is continued on the next line."""
    return Column(heading, overflow="fold")


def _conclusions(result: ExperimentResult) -> Iterable[str]:
    if result.winner is not None:
        since = format_time(result.decided_at or 0)
        yield f"winner: {result.winner}, certain at level {1 - result.alpha:g} by decisions until {since}"
    elif all(arm.low is None for arm in result.arms):
        yield f"nothing is concluded of an arm with fewer than {result.min_users:,} users"
    else:
        yield "no winner yet"
    ratio = result.sample_ratio
    if not ratio.is_right:
        counts = ", ".join(f"{arm.exposed:,} in {arm.name}" for arm in result.arms)
        yield f"trust nothing: users do not come into the arms as their weights say (p {ratio.p_value:.2g}): {counts}"
    for arm in result.arms:
        for guardrail in arm.guardrails:
            state = "crossed" if guardrail.is_crossed else "holds"
            yield f"guardrail {guardrail.metric} of {arm.name} {state}: {_bounds(guardrail)}"
    if result.variance_ratio < 0.995:
        yield f"what was known of users before leaves {result.variance_ratio:.0%} of the variance (CUPED)"


def _bounds(guardrail: GuardrailResult) -> str:
    if guardrail.mean is None:
        return "-"
    if guardrail.low is None or guardrail.high is None:
        return f"{guardrail.mean:.3f}, its difference from control not known yet"
    return f"{guardrail.mean:.3f}, from control [{guardrail.low:.3f}, {guardrail.high:.3f}]"


def _from_control(arm: ArmResult, result: ExperimentResult) -> str:
    if arm.name == result.control:
        return "control"
    return _interval(arm.difference, arm.difference_low, arm.difference_high)


def _state(arm: ArmResult, result: ExperimentResult) -> str:
    if arm.stopped_because:
        return f"stopped: {arm.stopped_because}"
    return "winner" if arm.name == result.winner else ""


def _interval(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _arm(arm: Arm) -> str:
    return _described(arm.name, arm.policy, arm.recipe, arm.parameters)


def _described(name: str, policy: str, recipe: str, parameters: dict[str, Parameter]) -> str:
    named = {"policy": policy, "recipe": recipe}
    parts = [f"{key}={value}" for key, value in {**named, **parameters}.items() if value != ""]
    return f"{name} ({', '.join(parts)})" if parts else name
