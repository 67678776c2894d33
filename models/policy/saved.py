"""Policies by name, and from their state."""

from __future__ import annotations

from typing import Final

from models.errors import PolicyError
from models.policy.bandits.boltzmann import Softmax
from models.policy.bandits.epsilon_greedy import EpsilonGreedy
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.linucb import LinUCB
from models.policy.bandits.thompson import Thompson
from models.policy.deep_q.policy import DeepQ
from models.policy.policy import Policy
from models.policy.saved_arrays import load_policy

PolicyType = type[Greedy] | type[EpsilonGreedy] | type[Softmax] | type[Thompson] | type[LinUCB] | type[DeepQ]
_TYPES: Final[tuple[PolicyType, ...]] = (Greedy, EpsilonGreedy, Softmax, Thompson, LinUCB, DeepQ)
POLICIES: Final[dict[str, PolicyType]] = {policy.name: policy for policy in _TYPES}
"""By their names"""


def policy_from(state: bytes) -> Policy:
    """The policy whose `state` this is, which acts as that one. PolicyError where it cannot be read.

    A deep Q-network that learns is `models.policy.deep_q.learner.learner_from(state)`, which needs torch.
    """
    name, version, settings, arrays = load_policy(state)
    if name not in POLICIES:
        raise PolicyError(f"no policy is called {name}; there are {', '.join(POLICIES)}: upgrade this process")
    try:
        return POLICIES[name].restored(version, settings, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(
            f"the state of the policy {name} cannot be used here ({error}): upgrade this process"
        ) from error
