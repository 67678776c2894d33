"""What filters of requests and settings rule out, as a decision shows it."""

import pytest

from streams.policy.decider import UNKNOWN_USER, Assignment, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import DecisionRequest
from streams.settings.policy_section import PolicySettings
from tests.unit.streams.policy.deciding import INTERESTS, NOW_MS, decide


@pytest.mark.parametrize(
    ("request_", "slate"),
    [
        (DecisionRequest("u1", categories=("Comedy",)), {"i2", "i3"}),
        (DecisionRequest("u1", exclude=("i1",)), {"i2", "i3"}),
        (DecisionRequest("u1", candidates=("i1", "i8"), categories=("Drama",)), {"i1"}),
        (DecisionRequest("u1", exclude_categories=("Comedy",)), {"i1"}),
        (DecisionRequest("u1", min_price=10), {"i1", "i2"}),
        (DecisionRequest("u1", max_price=10), {"i1"}),
        (DecisionRequest("u1", in_stock=True), {"i1", "i3"}),
        (DecisionRequest("u1", max_age_s=100), {"i1"}),
        (DecisionRequest("u1", max_age_s=600), {"i1", "i2"}),
        (DecisionRequest("u1", candidates=("i8", "i3"), min_price=0), set()),
        (DecisionRequest("u1", categories=("None",)), set()),
        (DecisionRequest("u1", candidates=()), set()),
    ],
)
def test_what_a_request_rules_out_is_not_shown(request_: DecisionRequest, slate: set[str]) -> None:
    assert set(decide(PolicySettings(), request_).slate) == slate


@pytest.mark.parametrize(
    ("settings", "slate"),
    [
        (PolicySettings(categories="Drama, Crime"), {"i1", "i2"}),
        (PolicySettings(exclude_categories="Drama"), {"i3"}),
        (PolicySettings(min_price=15), {"i2"}),
        (PolicySettings(exclude_items="i3, i9"), {"i1", "i2"}),
        (PolicySettings(max_price=15, in_stock=True), {"i1"}),
        (PolicySettings(max_age_s=100), {"i1"}),
    ],
)
def test_what_the_settings_rule_out_is_in_no_slate(settings: PolicySettings, slate: set[str]) -> None:
    assert set(decide(settings, DecisionRequest("u1")).slate) == slate
    assert set(decide(settings, DecisionRequest("u1", exclude=("i1",))).slate) == slate - {"i1"}


@pytest.mark.parametrize(
    ("request_", "interests", "because", "ruled_out"),
    [
        (DecisionRequest("u1"), INTERESTS, "", {}),
        (DecisionRequest("u1", exclude=("i1", "i7"), in_stock=True), INTERESTS, "", {"exclude": 1, "in_stock": 1}),
        (
            DecisionRequest("u1", categories=("Drama",), max_price=5.0),
            INTERESTS,
            "ruled_out",
            {"categories": 1, "max_price": 2},
        ),
        (DecisionRequest("u1", candidates=()), INTERESTS, "no_candidates", {}),
        (DecisionRequest("u1"), UNKNOWN_USER, "unknown_user", {}),
        (DecisionRequest("u1", min_price=9, max_price=8), INTERESTS, "ruled_out", {"min_price": 1, "max_price": 2}),
    ],
)
def test_an_empty_slate_says_why(
    request_: DecisionRequest, interests: Interests, because: str, ruled_out: dict[str, int]
) -> None:
    decision = decide(PolicySettings(), request_, interests)
    assert (decision.empty_because, decision.ruled_out) == (because, ruled_out)
    assert (decision.slate == ()) == bool(because)
    assert decision.candidates == len(interests.items if request_.candidates is None else ()) - sum(ruled_out.values())


def test_an_item_that_is_not_published_yet_has_no_age() -> None:
    catalog = {"i1": DescribedItem(published_s=NOW_MS / 1000 + 1), "i2": DescribedItem(published_s=NOW_MS / 1000)}
    request = DecisionRequest("u1", candidates=("i1", "i2"), max_age_s=5)
    policy = KnownPolicies(PolicySettings()).default
    made = Decider(PolicySettings()).decide("d", request, INTERESTS, catalog, policy, Assignment(), NOW_MS)
    assert made.slate == ("i2",)
