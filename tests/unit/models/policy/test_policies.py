from dataclasses import replace

import numpy as np
import pytest

from models.errors import PolicyError
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.bandits.thompson import Thompson, ThompsonOptions
from models.policy.policy import Policy
from models.policy.rules import SlateRules
from models.policy.saved import policy_from
from models.policy.saved_arrays import dump_policy
from models.policy.slate import NO_ITEM, Candidates, SlateBatch, outcomes_of
from tests.unit.models.policy.decisions import FEATURES, all_policies, batch_of

SETTINGS = RewardModelSettings(FEATURES)


def test_greedy_that_learnt_nothing_shows_by_interest() -> None:
    candidates = Candidates(np.arange(4), np.array([0.1, 0.4, 0.2, 0.3]), np.ones((4, FEATURES)))
    slate = Greedy(SETTINGS).act(candidates, 3, np.random.default_rng(0))
    assert slate.chosen.tolist() == [1, 3, 2]
    assert slate.propensities.tolist() == [1, 1, 1]


def test_ties_are_shown_alike() -> None:
    candidates = Candidates(np.arange(2), np.full(2, 0.1), np.ones((2, FEATURES)))
    slate = Greedy(SETTINGS).act(candidates, 5, np.random.default_rng(0))
    assert slate.propensities.tolist() == [0.5, 1]


def test_every_policy_learns_which_items_are_clicked() -> None:
    for policy in all_policies():
        random = np.random.default_rng(1)
        for _ in range(30):
            batch = batch_of(random, 50, 10, items=10)
            slates = policy.act_batch(batch, 2, random)
            outcomes = outcomes_of(np.arange(50), batch, slates, np.zeros((50, 2)))
            clicked = (outcomes.items == 3) & (random.random((50, 2)) < 0.9)
            policy.learn(outcomes_of(np.arange(50), batch, slates, clicked.astype(float)))
        batch = batch_of(random, 200, 10, items=10)
        slates = policy.act_batch(batch, 1, random)
        shown = batch.items[np.arange(200), slates.chosen[:, 0]]
        share = (shown == 3).mean()
        # Greedy shows it once it has seen it: by the features it is like the others.
        assert share > 0.6, policy.name
        assert policy.version == 30


def test_thompson_shows_unknown_items_more_than_known_ones_of_the_same_mean() -> None:
    policy: Policy = Thompson(SETTINGS, ThompsonOptions(64, 1, 0))
    random = np.random.default_rng(0)
    batch = batch_of(random, 400, 4, items=4)
    known = batch.items != 3
    for _ in range(20):
        chosen = np.argsort(np.where(known, random.random(known.shape), 2))[:, :2]
        slates = SlateBatch(chosen, np.full((400, 2), 0.5))
        policy.learn(outcomes_of(np.arange(400), batch, slates, (random.random((400, 2)) < 0.1).astype(float)))
    even = np.full_like(batch.interest, 0.1)
    alike = replace(batch, interest=even, features=np.full_like(batch.features, 0.5))
    slates = policy.act_batch(alike, 1, random)
    shown = alike.items[np.arange(400), slates.chosen[:, 0]]
    assert (shown == 3).mean() > 0.3


def test_no_more_places_than_candidates_and_rules_leave() -> None:
    random = np.random.default_rng(0)
    for policy in all_policies(SlateRules(max_per_category=1)):
        batch = batch_of(random, 100, 6)
        slates = policy.act_batch(batch, 5, random)
        assert batch.category is not None
        for row in range(100):
            shown = slates.chosen[row][slates.chosen[row] != NO_ITEM]
            categories = batch.category[row, shown]
            assert len(np.unique(categories)) == len(categories) == len(np.unique(batch.category[row]))
            assert (slates.propensities[row, len(shown) :] == 1).all()


def test_fresh_items_get_their_share_whatever_their_score() -> None:
    items = np.arange(5)
    fresh = np.array([False, False, False, True, True])
    interest = np.array([0.9, 0.8, 0.7, 0.1, 0.1])
    candidates = Candidates(items, interest, np.ones((5, FEATURES)), fresh=fresh)
    random = np.random.default_rng(0)
    policy = Greedy(SETTINGS, rules=SlateRules(fresh_share=0.2))
    first = [policy.act(candidates, 1, random) for _ in range(2000)]
    shown = np.array([fresh[slate.chosen[0]] for slate in first])
    assert shown.mean() == pytest.approx(0.2, abs=0.04)
    assert {round(float(slate.propensities[0]), 9) for slate in first} == {0.8, 0.1}


def test_rules_that_need_categories_say_so() -> None:
    candidates = Candidates(np.arange(2), np.full(2, 0.1), np.ones((2, FEATURES)))
    with pytest.raises(ValueError, match="categories"):
        Greedy(SETTINGS, rules=SlateRules(diversity=1)).act(candidates, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        (b"nothing", "damaged"),
        (dump_policy("oracle", 1, {}, {}), "no policy is called oracle"),
        (dump_policy("greedy", 1, {}, {}), "cannot be used"),
        (dump_policy("greedy", 1, {}, {"noise": np.array([np.nan])}), "not finite"),
    ],
)
def test_a_state_that_cannot_be_used_is_refused(state: bytes, fault: str) -> None:
    with pytest.raises(PolicyError, match=fault):
        policy_from(state)
