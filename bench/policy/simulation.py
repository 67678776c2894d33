"""All policies on the same simulated users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.policy.contenders import CONTENDERS
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.run import SimulatedRun, run_oracle, run_policy
from models.policy.slate import FloatArray
from models.progress import ProgressCallback

GREEDY = "greedy"
_PER_DECISIONS = 1000
_RECOVERED_SHARE = 0.8
_SMOOTHED_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class ScenarioRuns:
    """Runs of policies on one scenario, for the same seeds."""

    parameters: SimulatorParameters
    runs: dict[str, list[SimulatedRun]]
    """By policy, one for each seed"""
    oracle: list[FloatArray]
    """[T] expected reward of each seed's oracle"""

    def figures(self) -> dict[str, dict[str, Any]]:
        """By policy: reward and regret per 1 000 decisions with standard errors over seeds; paired less greedy's."""
        rewards = {name: self._per_seed(runs, "reward") for name, runs in self.runs.items()}
        figures: dict[str, dict[str, Any]] = {}
        for name, runs in self.runs.items():
            reward, error = _mean_and_error(rewards[name])
            regret, regret_error = _mean_and_error(self._per_seed(runs, "regret"))
            figures[name] = {"reward": reward, "error": error, "regret": regret, "regret_error": regret_error}
            if name != GREEDY and GREEDY in rewards:
                mean, mean_error = _mean_and_error(rewards[name] - rewards[GREEDY])
                figures[name]["less_greedy"] = {"mean": mean, "error": mean_error}
            if self.parameters.change_round is not None:
                figures[name]["after_change"] = self._after_change(name, self.parameters.change_round)
        return figures

    def _after_change(self, name: str, change: int) -> dict[str, Any]:
        regret, error = _mean_and_error(
            np.array([run.regret[change:].mean() * _PER_DECISIONS for run in self.runs[name]])
        )
        decisions = []
        for run, oracle in zip(self.runs[name], self.oracle, strict=True):
            smooth = np.ones(_SMOOTHED_ROUNDS) / _SMOOTHED_ROUNDS
            share = np.convolve(run.expected[change:], smooth, "valid") / np.convolve(oracle[change:], smooth, "valid")
            reached = np.flatnonzero(share >= _RECOVERED_SHARE)
            decisions.append(int(reached[0]) * self.parameters.users if len(reached) else None)
        return {"regret": regret, "regret_error": error, "decisions_to_80_percent_of_oracle": decisions}

    def _per_seed(self, runs: Sequence[SimulatedRun], name: str) -> FloatArray:
        return np.array([getattr(run, name).mean() for run in runs]) * _PER_DECISIONS


def run_scenario(
    parameters: SimulatorParameters,
    seeds: Sequence[int],
    policies: Sequence[str],
    progress_of: Callable[[str], ProgressCallback],
) -> ScenarioRuns:
    """Run the policies of these names for each of the seeds."""
    oracle = [run_oracle(parameters, seed) for seed in seeds]
    runs: dict[str, list[SimulatedRun]] = {}
    for name in policies:
        on_progress = progress_of(name)
        on_progress(0, len(seeds) * parameters.rounds)
        runs[name] = []
        for index, seed in enumerate(seeds):
            done = index * parameters.rounds

            def on_round(world: Any, *_: Any, done: int = done, report: ProgressCallback = on_progress) -> None:
                report(done + world.round, len(seeds) * parameters.rounds)

            policy = CONTENDERS[name]()
            runs[name].append(run_policy(parameters, seed, policy, on_round, oracle[index]))
    return ScenarioRuns(parameters, runs, oracle)


def _mean_and_error(values: FloatArray) -> tuple[float, float | None]:
    error = None if len(values) < 2 else round(float(values.std(ddof=1) / np.sqrt(len(values))), 3)
    return round(float(values.mean()), 3), error
