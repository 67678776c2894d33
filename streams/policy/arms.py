"""Who decides: the usual policy, or that of the arm which the user has in the experiment of the request."""

from __future__ import annotations

import logging

from models.policy.policy import Policy
from streams.errors import ExperimentError, SettingsError
from streams.experiments.assigned_arm import assigned_arm
from streams.policy.decider import Assignment
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import DecisionRequest
from streams.schema.decisions.experiment import Experiment, decode_experiment
from streams.settings.policy_section import PolicySettings

log = logging.getLogger(__name__)


class Arms:
    """Experiments by name, as their topic has them, over the policies of this process.

    Models of different recipes predict in deployments of their own, each with processes that decide: every user is of
    one deployment, by the recipe of the user's arm.
    """

    def __init__(self, policies: KnownPolicies, recipe: str = "") -> None:
        """`recipe` is that of the predictions by which this process decides; empty: the usual one."""
        self._policies = policies
        self._recipe = recipe
        self._experiments: dict[str, Experiment] = {}
        self._refused: set[tuple[str, str]] = set()  # experiment and arm for which nothing here can decide

    def put(self, key: bytes | None, value: bytes | None) -> None:
        """A record of the topic of experiments. One that cannot be read leaves the experiment as it was."""
        name = (key or b"").decode(errors="replace")
        self._refused = {refused for refused in self._refused if refused[0] != name}
        try:
            if value is None:
                self._experiments.pop(name, None)
            else:
                self._experiments[name] = decode_experiment(value)
        except ExperimentError as error:
            log.warning("a record of the experiment %s is left out: %s", name, error)

    def decides(self, experiment: str, arm: str) -> bool:
        """Whether a decision of this arm, empty: of none, was made by a process of this one's recipe."""
        known = self._experiments.get(experiment)
        recipes = () if known is None else [other.recipe for other in known.arms if other.name == arm]
        return next(iter(recipes), "") == self._recipe

    def choose(self, request: DecisionRequest) -> tuple[Policy, Assignment] | None:
        """The policy that decides, and the arm; no arm where the user takes no part, or nothing here can be its policy.

        None where processes of another recipe decide for the user. A decision that names an arm is made as the arm
        says: else its rewards would be counted for what it is not.
        """
        experiment = self._experiments.get(request.experiment) if request.experiment else None
        arm = None if experiment is None else assigned_arm(experiment, request.user_id)
        if ("" if arm is None else arm.recipe) != self._recipe:
            return None
        if experiment is None or arm is None or (experiment.name, arm.name) in self._refused:
            return self._policies.default, Assignment()
        try:
            policy = self._policies.of(arm.policy, arm.parameters)
        except SettingsError as error:
            self._refused.add((experiment.name, arm.name))
            log.warning("users of arm %s of the experiment %s get what is usual: %s", arm.name, experiment.name, error)
            return self._policies.default, Assignment()
        return policy, Assignment(experiment.name, arm.name)


def check_arms(experiment: Experiment, settings: PolicySettings) -> None:
    """Raises ExperimentError for an arm for which nothing decides by these settings: users would get what is usual."""
    policies = KnownPolicies(settings)
    for arm in experiment.arms:
        try:
            policies.of(arm.policy, arm.parameters)
        except SettingsError as error:
            raise ExperimentError(f"arm {arm.name}: {error}") from error
