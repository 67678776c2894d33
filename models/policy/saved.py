"""Policies by name, and from their state."""

from __future__ import annotations

from typing import Final

from models.errors import PolicyError
from models.policy.boltzmann import Softmax
from models.policy.epsilon_greedy import EpsilonGreedy
from models.policy.greedy import Greedy
from models.policy.learnt import RewardPolicy
from models.policy.linucb import LinUCB
from models.policy.policy import Policy
from models.policy.saved_arrays import load_policy
from models.policy.thompson import Thompson

POLICIES: Final[dict[str, type[RewardPolicy]]] = {
    policy.name: policy for policy in (Greedy, EpsilonGreedy, Softmax, Thompson, LinUCB)
}
"""By their names"""


def policy_from(state: bytes) -> Policy:
    """The policy whose `state` this is, which acts as that one. PolicyError where it cannot be read."""
    name, version, settings, arrays = load_policy(state)
    if name not in POLICIES:
        raise PolicyError(f"no policy is called {name}; there are {', '.join(POLICIES)}: upgrade this process")
    try:
        return POLICIES[name].restored(version, settings, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(
            f"the state of the policy {name} cannot be used here ({error}): upgrade this process"
        ) from error
