"""Watch of guardrails: stops the arms that cross one, in the topic of experiments, where all that decide see it."""

from __future__ import annotations

import logging

from streams.experiments.experiment_topic import stop_experiment
from streams.experiments.follower import ExperimentFollower
from streams.experiments.result import ExperimentResult, GuardrailResult
from streams.kafka.publisher import RecordError
from streams.settings.settings import Settings

log = logging.getLogger(__name__)


class GuardrailWatch:
    """Several processes may watch: an arm that is stopped stays as the first has stopped it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.follower = ExperimentFollower(settings)

    async def run(self) -> None:
        """Watches until it is cancelled."""
        await self.follower.follow(self._stop_arms)

    async def _stop_arms(self) -> None:
        for result in self.follower.results.values():
            for arm, crossed in crossed_guardrails(result):
                because = describe(crossed)
                log.warning("experiment %s: arm %s is stopped: %s", result.name, arm, because)
                try:
                    await stop_experiment(self._settings, result.name, because, arm)
                except RecordError as error:
                    log.warning("experiment %s: arm %s could not be stopped, trying again: %s", result.name, arm, error)


def crossed_guardrails(result: ExperimentResult) -> list[tuple[str, GuardrailResult]]:
    """The arms that are to be stopped, with a guardrail that each has crossed."""
    return [
        (arm.name, crossed[0])
        for arm in result.arms
        if arm.state == "running" and (crossed := [guardrail for guardrail in arm.guardrails if guardrail.is_crossed])
    ]


def describe(crossed: GuardrailResult) -> str:
    """Why an arm is stopped."""
    low, high = (_signed(end) for end in (crossed.low, crossed.high))
    return (
        f"guardrail {crossed.metric}: between {low} and {high} per decision from the control, "
        f"{'a decrease' if crossed.harm == 'decrease' else 'an increase'} of {crossed.allowed:g} is allowed"
    )


def _signed(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4g}"
