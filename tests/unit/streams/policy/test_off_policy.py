from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.policy.successive import SuccessiveChoice
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.policy.off_policy import estimates, is_complete, logged_decisions
from streams.settings.policy_section import PolicySettings
from tests.unit.streams.policy.logs import AT_RANDOM, shown_at_random

KNOWN = KnownPolicies(PolicySettings(kinds="greedy,softmax"))


def policy(name: str, **parameters: float) -> SuccessiveChoice:
    policy = KNOWN.of(name, parameters)
    assert isinstance(policy, SuccessiveChoice)
    return policy


@pytest.mark.parametrize(("places", "at_random"), [(1, 1 / 3), (2, 2 / 3)])
def test_what_other_policies_would_have_earned_is_estimated(places: int, at_random: float) -> None:
    pairs = shown_at_random(600, places)
    assert all(is_complete(*pair) for pair in pairs)
    logged = logged_decisions(pairs, 1 << 14, {})
    greedy, same = estimates(policy("greedy"), logged), estimates(policy("softmax", temperature=1e6), logged)
    for name in ("snips", "dr"):
        assert greedy[name].value == pytest.approx(1.0, abs=0.15)
        assert greedy[name].low - 0.05 <= 1.0 <= greedy[name].high + 0.05
        assert same[name].value == pytest.approx(at_random, abs=0.06)
    assert same["snips"].effective_sample_size == pytest.approx(600)
    shown_as_by_greedy = sum(made.slate == ("i1", "i2")[:places] for made, _ in pairs)
    assert greedy["snips"].effective_sample_size == pytest.approx(shown_as_by_greedy)


def test_slates_and_candidates_of_several_sizes_are_one_batch() -> None:
    (wide, wide_reward), (narrow, narrow_reward) = shown_at_random(1, 3)[0], shown_at_random(1, 1)[0]
    logged = logged_decisions([(wide, wide_reward), (narrow, narrow_reward)], 1 << 14, {})
    assert logged.slates.chosen.tolist() == [[0, 1, 2], [0, -1, -1]]
    assert logged.candidates.present is not None
    assert logged.candidates.present.all()
    assert len(logged) == 2


def test_propensities_of_the_log_follow_from_it_by_the_same_rules() -> None:
    settings = PolicySettings(
        kinds="softmax", options={"softmax": {"temperature": 0.2}}, diversity=0.2, diversity_by="dpp"
    )
    catalog = {
        "i1": DescribedItem(("Drama", "Crime")),
        "i2": DescribedItem(("Crime",)),
        "i3": DescribedItem(("Music",)),
    }
    pairs = shown_at_random(50, 3, settings, catalog)
    logged = logged_decisions(pairs, 1 << 14, {item_id: item.categories for item_id, item in catalog.items()})
    by_rules, random = KnownPolicies(settings).default, np.random.default_rng(0)
    assert by_rules.propensities(logged.candidates, logged.slates.chosen, random) == pytest.approx(
        logged.slates.propensities
    )


def test_a_decision_of_which_not_all_candidates_are_logged_is_left_out() -> None:
    [(made, reward)] = shown_at_random(1, settings=replace(AT_RANDOM, log_candidates=2))
    assert (made.candidates, made.other_items, is_complete(made, reward)) == (3, (), False)
    [(made, reward)] = shown_at_random(1)
    assert len(made.other_items) == len(made.other_interest) == len(made.other_features) == 2
    assert sorted((*made.slate, *made.other_items)) == ["i1", "i2", "i3"]
    assert is_complete(made, reward)
    assert not is_complete(msgspec.structs.replace(made, other_features=((1.0,), (1.0,))), reward)
    assert not is_complete(made, msgspec.structs.replace(reward, rewards=()))
