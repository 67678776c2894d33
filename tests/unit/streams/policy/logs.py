"""Decisions at random, with their rewards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.policy.decider import Assignment, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.schema.decisions.reward import Reward
from streams.settings.policy_section import PolicySettings

AT_RANDOM = PolicySettings(kinds="softmax", options={"softmax": {"temperature": 1e6}})
INTERESTS = Interests(["i1", "i2", "i3"], [0.6, 0.2, 0.1], ["Drama"], [0.9], "5e1f09d4.17", "user-events:0:7")


def shown_at_random(
    count: int,
    places: int = 1,
    settings: PolicySettings = AT_RANDOM,
    catalog: Mapping[str, DescribedItem] | None = None,
) -> list[tuple[Decision, Reward]]:
    """Slates of three items; i1 is rewarded wherever it is."""
    decider, policy = Decider(settings, np.random.default_rng(0)), KnownPolicies(settings).default
    pairs = []
    for number in range(count):
        request = DecisionRequest(f"u{number}", places)
        time_ms = 1_731_900_000_000 + number
        made = decider.decide(f"d{number}", request, INTERESTS, catalog or {}, policy, Assignment(), time_ms)
        rewards = tuple(float(item_id == "i1") for item_id in made.slate)
        reward = Reward(
            decision_id=made.decision_id,
            user_id=made.user_id,
            time=made.time,
            closed_at=made.time + 1000,
            closed="horizon",
            policy=made.policy,
            policy_version=0,
            slate=made.slate,
            propensities=made.propensities,
            rewards=rewards,
            reward=sum(rewards),
        )
        pairs.append((made, reward))
    return pairs
