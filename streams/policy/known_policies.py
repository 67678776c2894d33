"""The policies of the settings, and the states of them that were published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.errors import PolicyError
from models.policy.bandits.learnt import RewardPolicy
from models.policy.deep_q.policy import DeepQ
from models.policy.policy import Policy
from models.policy.rules import DPP, SlateRules
from models.policy.saved import POLICIES, policy_from
from models.policy.saved_arrays import load_policy
from models.policy.successive import SuccessiveChoice
from streams.errors import SettingsError
from streams.policy.features import MODEL
from streams.settings.policy_section import PolicySettings

log = logging.getLogger(__name__)

_MOST_VARIANTS: Final = 50
GUARD: Final = "guard"
"""Key of the guard's counts among the states of policies"""


def new_policy(name: str, settings: PolicySettings) -> Policy:
    """The policy as the settings have it, before it has learnt anything. Raises SettingsError for its options."""
    kind: Any = POLICIES[name]
    rules = SlateRules(
        settings.max_per_category or None, settings.diversity, settings.fresh_share, settings.diversity_by
    )
    half_life = settings.half_life_places or None
    model = replace(MODEL, half_life=half_life, examination=settings.examined)
    try:
        options = _typed(asdict(kind.options_type()), settings.options.get(name, {}))
        policy: Policy = kind(model, kind.options_type(**options), rules)
    except (TypeError, ValueError) as error:
        raise SettingsError([f"policy.options of {name}: {error}"]) from error
    return policy


def with_parameters(policy: Policy, parameters: Mapping[str, Any]) -> Policy:
    """What the policy has learnt, with these in place of its options. Raises SettingsError where it has none such."""
    name, version, saved, arrays = load_policy(policy.state())
    try:
        saved["options"] = _typed(saved["options"], parameters)
        return POLICIES[name].restored(version, saved, arrays)
    except (TypeError, ValueError) as error:
        raise SettingsError([f"policy.options of {name}: {error}"]) from error


def _typed(options: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The options with these in their place, as whole numbers where they are: those of the settings are all floats.

    Raises ValueError for an option that is not there, or no number.
    """
    typed = dict(options)
    for key, value in parameters.items():
        if key not in options:
            raise ValueError(f"there is no option {key!r} (options: {', '.join(options) or 'none'})")
        try:
            typed[key] = type(options[key])(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{key} must be a number, not {value!r}") from None
    return typed


def restored_policy(name: str, settings: PolicySettings, state: bytes) -> Policy:
    """The policy with what the state has learnt, by the settings as they are now; new where the state does not fit."""
    fresh = new_policy(name, settings)
    try:
        _, version, saved, arrays = load_policy(state)
        _, _, now, _ = load_policy(fresh.state())
        if saved["model"]["features"] == now["model"]["features"]:
            return POLICIES[name].restored(version, now, arrays)
        fault = "it has other features"
    except (PolicyError, KeyError, TypeError, ValueError) as error:
        fault = str(error)
    log.warning("the policy %s begins anew: %s", name, fault)
    return fresh


def is_fresh(policy: Policy, items: NDArray[np.int64], settings: PolicySettings) -> NDArray[np.bool_] | None:
    """[C] Which of the items are new to the policy; None where its rules do not ask for it."""
    if not isinstance(policy, RewardPolicy | DeepQ) or not policy.rules.fresh_share:
        return None
    return np.asarray(policy.model.sights(items) < settings.fresh_places)


def compares_all_categories(policy: Policy) -> bool:
    """Whether its rules ask for all categories of the candidates, not only the first."""
    return isinstance(policy, SuccessiveChoice) and policy.rules.diversity > 0 and policy.rules.diversity_by == DPP


class KnownPolicies:
    """By name the newest published state of each policy of the settings, or else the policy before it has learnt."""

    def __init__(self, settings: PolicySettings) -> None:
        """Raises SettingsError for options that a policy does not have."""
        if unknown := [name for name in settings.options if name not in settings.names]:
            raise SettingsError([f"policy.options: {unknown[0]} is not among policy.kinds ({settings.kinds})"])
        self._settings = settings
        self._policies = {name: new_policy(name, settings) for name in settings.names}
        self._variants: dict[tuple[str, tuple[tuple[str, Any], ...]], Policy] = {}
        self.states: dict[str, bytes] = {}
        """As they were published"""

    @property
    def default(self) -> Policy:
        """The policy that decides where nothing else is asked for."""
        return self._policies[self._settings.names[0]]

    def of(self, name: str, parameters: Mapping[str, Any]) -> Policy:
        """The policy of an arm: of this name, empty for the default, with these parameters in place of its options.

        Raises SettingsError where there is no such policy here, or it has no such parameter.
        """
        name = name or self._settings.names[0]
        if name not in self._policies:
            raise SettingsError([f"the policy {name} is not among policy.kinds ({self._settings.kinds})"])
        if not parameters:
            return self._policies[name]
        key = name, tuple(sorted(parameters.items()))
        usual, variant = self._policies[name], self._variants.get(key)
        if variant is None or variant.version != usual.version:
            variant = with_parameters(usual, parameters)
            if len(self._variants) >= _MOST_VARIANTS:
                self._variants.clear()
            self._variants[key] = variant
        return variant

    def put(self, key: bytes | None, value: bytes | None) -> None:
        """A record of the topic of states. One that cannot be read leaves the policy as it was."""
        name = (key or b"").decode(errors="replace")
        if name == GUARD and value is not None:
            self.states[name] = value  # for the process that learns
        if name not in self._policies or value is None:
            return
        try:
            self._policies[name] = policy_from(value)
            self.states[name] = value
        except PolicyError as error:
            log.warning("a published state of the policy %s is left out: %s", name, error)

    def versions(self) -> dict[str, int]:
        """Of each policy, how often it had learnt."""
        return {name: policy.version for name, policy in self._policies.items()}
