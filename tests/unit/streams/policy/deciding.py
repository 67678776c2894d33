"""A user, a catalog, and a decision about them."""

import numpy as np

from streams.policy.decider import Assignment, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.settings.policy_section import PolicySettings

INTERESTS = Interests(
    ["i1", "i2", "i3"], [0.5, 0.2, 0.1], ["Drama", "Comedy"], [0.6, 0.3], "5e1f09d4.17", "user-events:0:7"
)
CATALOG = {
    "i1": DescribedItem(("Drama",), 10.0, 3.0, 900.0),
    "i2": DescribedItem(("Comedy", "Drama"), 20.0, 0.0, 400.0),
    "i3": DescribedItem(("Comedy",), stock=1.0),
}
NOW_MS = 1_000_000


def decide(settings: PolicySettings, request: DecisionRequest, interests: Interests = INTERESTS) -> Decision:
    """By the first policy of the settings, before it has learnt anything."""
    policy = KnownPolicies(settings).default
    decider = Decider(settings, np.random.default_rng(3))
    return decider.decide("d1", request, interests, CATALOG, policy, Assignment("e", "b"), NOW_MS)
