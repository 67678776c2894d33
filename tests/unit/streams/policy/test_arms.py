import pytest

from streams.errors import ExperimentError
from streams.experiments.assigned_arm import assigned_arm
from streams.policy.arms import Arms, check_arms
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import DecisionRequest
from streams.schema.decisions.experiment import Arm, Experiment, Parameter, encode_experiment
from streams.settings.policy_section import PolicySettings
from tests.unit.streams.experiments.rewards import experiment

USERS = [f"u{number}" for number in range(200)]
TRIED = experiment(
    arms=(
        Arm(name="a"),
        Arm(name="b", policy="softmax", parameters={"temperature": 3.0}),
        Arm(name="c", recipe="horizon"),
        Arm(name="d", policy="linucb"),  # which this process does not have
    ),
    holdout=0.1,
)


def arms(tried: Experiment = TRIED, recipe: str = "") -> Arms:
    made = Arms(KnownPolicies(PolicySettings(kinds="greedy,softmax")), recipe)
    made.put(b"e", encode_experiment(tried))
    return made


def test_each_user_has_the_policy_of_the_arm_or_the_usual_one() -> None:
    usual = arms()
    names = set()
    for user in USERS:
        arm = assigned_arm(TRIED, user)
        chosen = usual.choose(DecisionRequest(user, experiment="e"))
        if arm is not None and arm.recipe:
            assert chosen is None
            continue
        assert chosen is not None
        policy, assignment = chosen
        named = arm is not None and arm.name in ("a", "b")
        assert (assignment.experiment, assignment.arm) == (("e", arm.name) if arm is not None and named else ("", ""))
        assert policy.name == ("softmax" if assignment.arm == "b" else "greedy")
        names.add(assignment.arm)
    assert names == {"a", "b", ""}
    assert usual.choose(DecisionRequest("u1")) is not None
    assert usual.choose(DecisionRequest("u1", experiment="another")) is not None


def test_an_arm_that_nothing_here_can_decide_for_is_logged_once_and_tried_again_once_it_is_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    usual = arms()
    users = [user for user in USERS if (arm := assigned_arm(TRIED, user)) is not None and arm.name == "d"]
    for user in users:
        chosen = usual.choose(DecisionRequest(user, experiment="e"))
        assert chosen is not None
        assert chosen[1].arm == ""
    assert len(users) > 1 == len(caplog.records)
    changed = (*TRIED.arms[:3], Arm(name="d", policy="softmax"))
    usual.put(b"e", encode_experiment(experiment(arms=changed, holdout=0.1)))
    chosen = usual.choose(DecisionRequest(users[0], experiment="e"))
    assert chosen is not None
    assert (chosen[0].name, chosen[1].arm) == ("softmax", "d")


def test_parameters_are_those_of_the_arm() -> None:
    usual = arms()
    user = next(user for user in USERS if (arm := assigned_arm(TRIED, user)) is not None and arm.name == "b")
    chosen = usual.choose(DecisionRequest(user, experiment="e"))
    assert chosen is not None
    assert chosen[0].options.temperature == 3.0  # type: ignore[attr-defined]


def test_each_decision_is_of_the_processes_of_one_recipe() -> None:
    both = arms(), arms(recipe="horizon")
    for user in USERS:
        for name in ("e", ""):
            request = DecisionRequest(user, experiment=name)
            assert sum(process.choose(request) is not None for process in both) == 1
    for experiment_name, arm in (("e", "a"), ("e", "c"), ("", ""), ("gone", "x")):
        assert sum(process.decides(experiment_name, arm) for process in both) == 1
    assert both[1].decides("e", "c")


@pytest.mark.parametrize(
    ("policy", "option", "value", "fault"),
    [
        ("softmax", "temperature", -1, "temperature must be from 1e-09 to 1e.09, not -1"),
        ("softmax", "temperature", 0, "temperature must be"),
        ("softmax", "temperature", "nan", "temperature must be"),
        ("softmax", "temperature", "warm", "temperature must be a number, not 'warm'"),
        ("softmax", "temprature", 1, "there is no option 'temprature' .options: temperature"),
        ("greedy", "epsilon", 0.1, "there is no option 'epsilon' .options: none"),
        ("epsilon_greedy", "epsilon", 5, "epsilon must be from 0 to 1, not 5"),
        ("thompson", "draws", 0, "draws must be"),
        ("linucb", "alpha", -0.1, "alpha must be"),
        ("dqn", "discount", 1.5, "discount must be"),
    ],
)
def test_options_that_give_no_probabilities_are_refused(policy: str, option: str, value: Parameter, fault: str) -> None:
    tried = experiment(arms=(Arm(name="a"), Arm(name="b", policy=policy, parameters={option: value})))
    with pytest.raises(ExperimentError, match=f"arm b: policy.options of {policy}: {fault}"):
        check_arms(tried, PolicySettings(kinds=policy))
    user = next(user for user in USERS if (arm := assigned_arm(tried, user)) is not None and arm.name == "b")
    made = Arms(KnownPolicies(PolicySettings(kinds=policy)))
    made.put(b"e", encode_experiment(tried))
    chosen = made.choose(DecisionRequest(user, experiment="e"))
    assert chosen is not None
    assert chosen[1].arm == ""  # the user gets what is usual
