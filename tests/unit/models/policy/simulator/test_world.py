from dataclasses import replace

import numpy as np
import pytest

from models.policy.bandits.greedy import Greedy
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.features import feature_count
from models.policy.simulator.parameters import SCENARIOS, SimulatorParameters
from models.policy.simulator.run import run_oracle, run_policy
from models.policy.simulator.world import World
from models.policy.slate import NO_ITEM, SlateBatch

SMALL = SimulatorParameters(users=300, rounds=30, items=20)


def show(world: World, positions: list[int]) -> SlateBatch:
    chosen = np.tile(positions, (world.parameters.users, 1))
    return SlateBatch(chosen, np.ones(chosen.shape))


def test_users_and_items_are_those_of_the_seed_whatever_is_shown() -> None:
    parameters = replace(SMALL, satiation=0.2, arrivals=1.0, change_round=5)
    first, second = World(parameters, 3), World(parameters, 3)
    for _ in range(10):
        first.respond(show(first, [0, 1, 2, 3]))
        second.respond(show(second, [5, 6, 7, 8]))
        np.testing.assert_array_equal(first.offered, second.offered)
    # Satiation apart, which is of what was shown.
    np.testing.assert_array_equal(first.click_p(0), second.click_p(0))
    assert not np.array_equal(first.click_p(), second.click_p())


def test_clicks_come_as_often_as_expected() -> None:
    world = World(SMALL, 0)
    expected, reward, clicks = [], [], []
    for _ in range(SMALL.rounds):
        p = world.click_p()[:, [3, 4, 5, 6]] * SMALL.examination
        feedback = world.respond(show(world, [3, 4, 5, 6]))
        expected.append(feedback.expected)
        reward.append(feedback.rewards(SMALL))
        clicks.append(feedback.clicked - p)
    difference = np.concatenate(reward) - np.concatenate(expected)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(difference.size)
    assert abs(np.mean(clicks)) < 0.005


def test_purchases_after_the_horizon_are_no_reward_within_it() -> None:
    feedback = World(replace(SMALL, users=20_000), 0).respond(
        SlateBatch(np.zeros((20_000, 1), np.int64), np.ones((20_000, 1)))
    )
    late = feedback.purchase_delay > SMALL.horizon_rounds
    assert late.any()
    lost = feedback.rewards(SMALL) - feedback.rewards(SMALL, SMALL.horizon_rounds)
    np.testing.assert_array_equal(lost, SMALL.purchase_reward * late)
    bought = feedback.purchase_delay[feedback.purchase_delay >= 0]
    assert bought.mean() == pytest.approx(SMALL.purchase_delay_rounds, abs=0.35)


def test_the_same_category_again_is_clicked_less_for_a_while() -> None:
    parameters = replace(SMALL, satiation=0.3, drift=0.0, max_click_p=1e3)  # else it hides what is above
    world = World(parameters, 0)
    before = world.click_p()
    for _ in range(5):
        world.respond(show(world, [0, 1]))
    shown = np.isin(world.catalog.category[world.offered], world.catalog.category[[0, 1]])
    p = world.click_p()
    assert (p[:, shown] < before[:, shown] * 0.5).all()
    np.testing.assert_allclose(p[:, ~shown], before[:, ~shown])
    for _ in range(20):
        world.respond(SlateBatch(np.full((parameters.users, 1), NO_ITEM), np.ones((parameters.users, 1))))
    np.testing.assert_allclose(world.click_p(), before, rtol=0.3)


def test_items_come_and_go_and_are_fresh_at_first() -> None:
    parameters = replace(SMALL, arrivals=2.0)
    world = World(parameters, 0)
    seen = set(world.offered.tolist())
    for _ in range(10):
        world.respond(show(world, [0]))
    batch = world.candidates()
    new = ~np.isin(world.offered, list(seen))
    assert new.sum() > 8
    assert len(world.offered) == parameters.items
    assert batch.fresh is not None
    assert batch.fresh[0].any()
    assert not batch.fresh[0, ~new].any()


def test_new_items_are_predicted_by_how_often_they_were_clicked() -> None:
    world = World(replace(SMALL, arrivals=5.0, new_item_prediction=(0.0, 0.5, 0.8)), 0)
    for _ in range(3):
        world.respond(show(world, [0]))
    new = world.offered[-5:]
    predicted = world.catalog.predicted_quality(new, np.array([0, 1, 2, 3, 50]))
    assert predicted.tolist() == [0, 0.5, 0.8, 0.8, 0.8]
    interest = world.candidates().interest
    assert (interest[:, -5:] == 0).all()
    assert (interest[:, :3] > 0).all()
    last = len(world.offered) - 1
    while world.offered[last] == new[-1]:
        feedback = world.respond(show(world, [last]))
        last = int(np.flatnonzero(world.offered == new[-1])[0])
        if feedback.clicked.any():
            break
    assert (world.candidates().interest[:, last] > 0).all()


def test_tastes_change_in_their_round_and_predictions_do_not() -> None:
    world = World(replace(SMALL, change_round=2, drift=0.0), 0)
    p, interest = world.click_p(), world.candidates().interest
    world.respond(show(world, [0]))
    np.testing.assert_array_equal(world.click_p(), p)
    world.respond(show(world, [0]))
    assert not np.allclose(world.click_p(), p, rtol=0.2)
    np.testing.assert_array_equal(world.candidates().interest, interest)


def test_the_oracle_is_above_what_learns_and_what_learns_above_chance() -> None:
    policy = Greedy(RewardModelSettings(feature_count(SMALL.categories), examination=SMALL.examination))
    oracle = run_oracle(SMALL, 0)
    run = run_policy(SMALL, 0, policy, oracle=oracle)
    assert policy.version == SMALL.rounds - SMALL.horizon_rounds
    assert 0 < run.regret.mean() < 0.2 * oracle.mean()
    assert run.reward.mean() == pytest.approx(run.expected.mean(), rel=0.1)
    world = World(SMALL, 0)
    by_chance = np.mean([world.respond(show(world, [0, 1, 2, 3])).expected.sum(1).mean() for _ in range(SMALL.rounds)])
    assert run.expected.mean() > 1.5 * by_chance


def test_each_scenario_adds_one_thing_to_the_plain_one() -> None:
    plain = SCENARIOS["plain"]
    assert (plain.satiation, plain.arrivals, plain.change_round) == (0, 0, None)
    assert replace(SCENARIOS["satiation"], satiation=0) == plain
    assert replace(SCENARIOS["cold_items"], arrivals=0, new_item_prediction=(1.0,)) == plain
    assert replace(SCENARIOS["cold_items"], new_item_prediction=(1.0,)) == SCENARIOS["cold_items_predicted"]
    assert replace(SCENARIOS["change_of_taste"], change_round=None) == plain
    assert plain.users * plain.rounds == 100_000
