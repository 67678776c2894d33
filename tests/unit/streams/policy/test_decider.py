import numpy as np
import pytest
from msgspec.structs import replace

from models.policy.saved import POLICIES, policy_from
from streams.errors import SettingsError
from streams.policy.arms import Arms
from streams.policy.decider import UNKNOWN_USER, Assignment, Decider
from streams.policy.features import FEATURES, item_index
from streams.policy.known_policies import KnownPolicies, new_policy, restored_policy
from streams.policy.outcomes import is_usable, outcomes_of
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.schema.decisions.experiment import Arm, Experiment, encode_experiment
from streams.schema.decisions.reward import Reward
from streams.settings.policy_section import POLICY_KINDS, PolicySettings
from tests.unit.streams.policy.deciding import CATALOG, INTERESTS, NOW_MS, decide


def reward_of(decision: Decision, rewards: tuple[float, ...]) -> Reward:
    return Reward(
        decision_id=decision.decision_id,
        user_id=decision.user_id,
        time=decision.time,
        closed_at=0,
        closed="horizon",
        policy=decision.policy,
        policy_version=decision.policy_version,
        slate=decision.slate,
        propensities=decision.propensities,
        rewards=rewards,
        reward=sum(rewards),
        interest=decision.interest,
        features=decision.features,
        context=decision.context,
    )


def test_greedy_shows_the_most_probable_items_with_certainty() -> None:
    decision = decide(PolicySettings(kinds="greedy"), DecisionRequest("u1", 2, request_id="r"))
    assert (decision.slate, decision.propensities, decision.interest) == (("i1", "i2"), (1.0, 1.0), (0.5, 0.2))
    assert (decision.policy, decision.policy_version, decision.candidates) == ("greedy", 0, 3)
    assert (decision.model_version, decision.prediction_id) == ("5e1f09d4.17", "user-events:0:7")
    assert (decision.experiment, decision.arm, decision.request_id, decision.time) == ("e", "b", "r", NOW_MS)
    assert [len(row) for row in decision.features] == [FEATURES, FEATURES]


@pytest.mark.parametrize("kind", POLICY_KINDS)
def test_every_policy_fills_the_slate_with_positive_propensities(kind: str) -> None:
    decision = decide(PolicySettings(kinds=kind), DecisionRequest("u1", 10, ("i3", "i9", "i1", "i9")))
    assert sorted(decision.slate) == ["i1", "i3", "i9"]
    assert all(0 < p <= 1 for p in decision.propensities)


def test_a_user_without_prediction_is_shown_what_the_request_names() -> None:
    assert decide(PolicySettings(), DecisionRequest("new"), UNKNOWN_USER).slate == ()
    decision = decide(PolicySettings(), DecisionRequest("new", 1, ("i1",)), UNKNOWN_USER)
    assert (decision.slate, decision.model_version) == (("i1",), None)


def test_a_category_takes_so_many_places_at_most() -> None:
    decision = decide(PolicySettings(kinds="greedy", max_per_category=1), DecisionRequest("u1", 3))
    assert decision.slate == ("i1", "i2")


def test_by_determinants_an_item_loses_to_those_that_share_none_of_its_categories() -> None:
    request = DecisionRequest("u1", 2)
    assert decide(PolicySettings(kinds="greedy"), request).slate == ("i1", "i2")
    settings = PolicySettings(kinds="greedy", diversity=0.5, diversity_by="dpp")
    assert decide(settings, request).slate == ("i1", "i3")
    # A policy whose rules were published by a process with other settings acts by them here, too.
    learnt = policy_from(new_policy("greedy", settings).state())
    made = Decider(PolicySettings()).decide("d", request, INTERESTS, CATALOG, learnt, Assignment(), NOW_MS)
    assert made.slate == ("i1", "i3")


@pytest.mark.parametrize(("in_stock", "shown_items"), [(False, {"i1", "i2", "i3"}), (True, {"i1", "i3"})])
def test_propensities_are_the_shares_in_which_items_are_shown(in_stock: bool, shown_items: set[str]) -> None:
    settings = PolicySettings(kinds="epsilon_greedy", options={"epsilon_greedy": {"epsilon": 0.6}})
    policy, decider = KnownPolicies(settings).default, Decider(settings, np.random.default_rng(1))
    request = DecisionRequest("u1", 1, in_stock=in_stock)
    shown: dict[str, list[float]] = {}
    for _ in range(2000):
        decision = decider.decide("d", request, INTERESTS, CATALOG, policy, Assignment(), 0)
        shown.setdefault(decision.slate[0], []).append(decision.propensities[0])
    assert shown.keys() == shown_items
    for propensities in shown.values():
        assert len(set(propensities)) == 1
        assert len(propensities) / 2000 == pytest.approx(propensities[0], abs=0.05)


def test_new_candidates_get_their_share_of_the_places_until_they_are_known() -> None:
    settings = PolicySettings(kinds="greedy", fresh_share=0.5, fresh_places=3)
    policy = new_policy("greedy", settings)
    usual = PolicySettings(kinds="greedy")
    shown_often = reward_of(decide(usual, DecisionRequest("u1", 3)), (1.0, 0.0, 0.0))
    policy.learn(outcomes_of([shown_often] * 3, settings.item_buckets))
    decider, request = Decider(settings, np.random.default_rng(5)), DecisionRequest("u1", 1, ("i1", "i2", "i9", "i8"))
    seen = [decider.decide("d", request, INTERESTS, CATALOG, policy, Assignment(), 0) for _ in range(200)]
    propensities = {decision.slate[0]: decision.propensities[0] for decision in seen}
    assert propensities == {"i1": 0.5, "i8": 0.25, "i9": 0.25}
    known = reward_of(decide(usual, DecisionRequest("u1", 2, ("i8", "i9"))), (0.0, 0.0))
    policy.learn(outcomes_of([known] * 3, settings.item_buckets))
    after = decider.decide("d", request, INTERESTS, CATALOG, policy, Assignment(), 0)
    assert (after.slate, after.propensities) == (("i1",), (1.0,))


def test_what_was_learnt_is_published_and_followed() -> None:
    settings = PolicySettings(kinds="greedy,thompson")
    decision = decide(settings, DecisionRequest("u1", 3))
    rewards = [reward_of(decision, (0.0, 5.0, 0.0)) for _ in range(50)]
    assert all(map(is_usable, rewards))
    policy = new_policy("greedy", settings)
    for _ in range(10):
        policy.learn(outcomes_of(rewards, settings.item_buckets))
    known = KnownPolicies(settings)
    known.put(b"greedy", policy.state())
    known.put(b"softmax", policy.state())
    known.put(b"thompson", b"damaged")
    assert known.versions() == {"greedy": 10, "thompson": 0}
    decider = Decider(settings)
    after = decider.decide("d", DecisionRequest("u1", 1), INTERESTS, CATALOG, known.default, Assignment(), 0)
    assert (after.slate, after.policy_version) == ((decision.slate[1],), 10)


def test_slates_of_several_widths_are_one_batch() -> None:
    settings = PolicySettings()
    wide, narrow = (decide(settings, DecisionRequest("u1", size)) for size in (3, 1))
    outcomes = outcomes_of([reward_of(wide, (1.0, 0.0, 2.0)), reward_of(narrow, (1.0,))], settings.item_buckets)
    assert outcomes.items[1].tolist() == [item_index(narrow.slate[0], settings.item_buckets), -1, -1]
    assert outcomes.rewards.tolist() == [[1.0, 0.0, 2.0], [1.0, 0.0, 0.0]]


def test_decisions_of_other_features_are_not_learnt_from() -> None:
    reward = reward_of(decide(PolicySettings(), DecisionRequest("u1", 2)), (0.0, 0.0))
    reward.features = ((1.0,), (2.0,))
    assert not is_usable(reward)


def test_changed_options_hold_for_what_was_learnt_before() -> None:
    before = new_policy("epsilon_greedy", PolicySettings())
    now = PolicySettings(options={"epsilon_greedy": {"epsilon": 0.5}})
    restored = policy_from(restored_policy("epsilon_greedy", now, before.state()).state())
    assert restored.options.epsilon == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon_greedy": {"epsilom": 1.0}}, r"of epsilon_greedy: there is no option 'epsilom' \(options: epsilon\)"),
        ({"softmax": {"temperature": 1.0}}, r"softmax is not among policy\.kinds"),
    ],
)
def test_options_that_do_not_exist_are_named(options: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        KnownPolicies(PolicySettings(options=options))


def test_policy_kinds_of_the_settings_are_policies() -> None:
    assert set(POLICY_KINDS) == set(POLICIES)


def test_an_arm_s_parameters_go_before_the_options_and_keep_what_was_learnt() -> None:
    settings = PolicySettings(kinds="softmax,epsilon_greedy")
    known = KnownPolicies(settings)
    learnt = new_policy("epsilon_greedy", settings)
    learnt.learn(
        outcomes_of([reward_of(decide(settings, DecisionRequest("u1", 2)), (1.0, 0.0))], settings.item_buckets)
    )
    known.put(b"epsilon_greedy", learnt.state())
    variant = known.of("epsilon_greedy", {"epsilon": 1.0})
    assert (variant.version, variant is known.of("epsilon_greedy", {"epsilon": 1.0})) == (1, True)
    assert variant.options.epsilon == 1.0  # type: ignore[attr-defined]
    assert known.of("", {}) is known.default
    for name, parameters in (("linucb", {}), ("epsilon_greedy", {"temperature": 1.0})):
        with pytest.raises(SettingsError):
            known.of(name, parameters)


USERS = [f"u{number}" for number in range(40)]


def test_who_decides_is_the_user_s_arm_or_what_is_usual() -> None:
    known = KnownPolicies(PolicySettings(kinds="greedy,softmax"))
    arms = Arms(known)
    experiment = Experiment(
        name="e",
        created_at=1,
        arms=(Arm(name="a", policy="greedy"), Arm(name="b", policy="softmax")),
        control="a",
        salt="s",
    )
    arms.put(b"e", encode_experiment(experiment))
    arms.put(b"e", b"damaged")
    chosen = [choice for user in USERS if (choice := arms.choose(DecisionRequest(user, experiment="e"))) is not None]
    assert {(policy.name, assignment.arm) for policy, assignment in chosen} == {("greedy", "a"), ("softmax", "b")}
    assert {assignment.experiment for _, assignment in chosen} == {"e"}
    without = replace(experiment, arms=(Arm(name="a", policy="greedy"), Arm(name="b", policy="dqn")))
    arms.put(b"e", encode_experiment(without))
    chosen = [choice for user in USERS if (choice := arms.choose(DecisionRequest(user, experiment="e"))) is not None]
    assert {(policy.name, assignment.arm) for policy, assignment in chosen} == {("greedy", "a"), ("greedy", "")}
    arms.put(b"e", None)
    assert arms.choose(DecisionRequest("u1", experiment="e")) == (known.default, Assignment())


def test_decisions_know_what_the_user_saw_lately_of_each_category() -> None:
    settings = PolicySettings(kinds="greedy", examination="1, 0.5")
    policy, decider = KnownPolicies(settings).default, Decider(settings)

    def exposures(user_id: str, size: int) -> dict[str, float]:
        made = decider.decide("d", DecisionRequest(user_id, size), INTERESTS, CATALOG, policy, Assignment(), 0)
        return dict(zip(made.slate, [row[-1] for row in made.features], strict=True))

    assert exposures("u1", 2) == {"i1": 0, "i2": 0}
    assert exposures("u1", 3) == {"i1": 1, "i2": 0.5, "i3": 0.5}
    assert exposures("u2", 1) == {"i1": 0}


def test_the_interest_in_a_category_speaks_for_an_item_that_is_not_predicted() -> None:
    catalog = {**CATALOG, "i9": CATALOG["i1"]}
    settings = PolicySettings(kinds="greedy")
    policy = KnownPolicies(settings).default
    request = DecisionRequest("u1", 2, ("i1", "i9"))
    made = Decider(settings).decide("d", request, INTERESTS, catalog, policy, Assignment(), 0)
    by_item = dict(zip(made.slate, made.features, strict=True))
    assert by_item["i1"][2:4] == (1, 0)
    assert by_item["i9"][2:4] == (0, 0.6)
