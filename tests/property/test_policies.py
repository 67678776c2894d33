"""Propensities are the probabilities with which slates are chosen, for any policy, rules and candidates."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.policy.rules import SlateRules
from models.policy.saved import policy_from
from models.policy.slate import NO_ITEM, CandidateBatch
from tests.unit.models.policy.decisions import all_policies, batch_of, outcomes_at_random

RULES = [
    SlateRules(),
    SlateRules(max_per_category=1),
    SlateRules(diversity=0.1, fresh_share=0.2),
    SlateRules(max_per_category=2, fresh_share=0.5),
    SlateRules(diversity=0.1, diversity_by="dpp"),
    SlateRules(max_per_category=1, diversity=0.02, diversity_by="dpp", fresh_share=0.2),
]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3), st.sampled_from(RULES), st.integers(0, 4))
def test_propensities_sum_to_one_over_all_slates(
    seed: int, candidates: int, size: int, rules: SlateRules, kind: int
) -> None:
    random = np.random.default_rng(seed)
    policy = all_policies(rules)[kind]
    policy.learn(outcomes_at_random(random, 20, 2))
    batch = batch_of(random, 1, candidates)
    filled = [list(slate) for places in range(size + 1) for slate in permutations(range(candidates), places)]
    slates = np.array([slate + [NO_ITEM] * (size - len(slate)) for slate in filled])
    repeated = _repeated(batch, len(slates))
    total = 0.0
    for row in range(len(slates)):  # each with the same draws
        one = policy.propensities(batch, slates[row : row + 1], np.random.default_rng(7))
        assert (one >= 0).all()
        assert (one <= 1 + 1e-12).all()
        total += float(one.prod())
    assert total == pytest.approx(1, abs=1e-9)
    assert policy.propensities(repeated, slates, np.random.default_rng(7)).shape == slates.shape


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.sampled_from(RULES), st.integers(0, 4))
def test_slates_are_chosen_as_often_as_their_propensities_say(seed: int, rules: SlateRules, kind: int) -> None:
    random = np.random.default_rng(seed)
    policy = all_policies(rules)[kind]
    policy.learn(outcomes_at_random(random, 20, 2))
    batch, times = _repeated(batch_of(random, 1, 4), 4000), 4000
    slates = policy.act_batch(batch, 2, random)
    # Given the draws a propensity is exact: the mean of an indicator less its propensity is 0 but for noise.
    for position in range(4):
        first = slates.chosen[:, 0] == position
        weight = np.where(first, 1 / slates.propensities[:, 0], 0)
        if first.sum() > times / 10:
            assert weight.mean() == pytest.approx(1, abs=6 * weight.std() / np.sqrt(times) + 1e-9)
    shown = slates.chosen[slates.chosen[:, 1] != NO_ITEM]
    assert (shown[:, 0] != shown[:, 1]).all()


@given(st.integers(0, 2**32), st.sampled_from(RULES), st.integers(0, 4))
def test_a_restored_policy_acts_and_learns_as_the_one_that_was_saved(seed: int, rules: SlateRules, kind: int) -> None:
    random = np.random.default_rng(seed)
    policy = all_policies(rules)[kind]
    policy.learn(outcomes_at_random(random, 20, 2))
    restored = policy_from(policy.state())
    assert (restored.name, restored.version) == (policy.name, 1)
    more, batch = outcomes_at_random(random, 10, 3), batch_of(random, 3, 6)
    for one in (policy, restored):
        one.learn(more)
    first, second = (one.act_batch(batch, 3, np.random.default_rng(seed)) for one in (policy, restored))
    np.testing.assert_array_equal(first.chosen, second.chosen)
    np.testing.assert_array_equal(first.propensities, second.propensities)
    assert policy.state() == restored.state()


def _repeated(batch: CandidateBatch, times: int) -> CandidateBatch:
    assert batch.category is not None
    assert batch.fresh is not None
    assert batch.categories is not None
    rows = np.zeros(times, np.int64)
    return CandidateBatch(
        batch.items[rows],
        batch.interest[rows],
        batch.features[rows],
        batch.context[rows],
        batch.category[rows],
        batch.fresh[rows],
        categories=batch.categories[rows],
    )
