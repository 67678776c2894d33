from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from streams.experiments.fold import ExperimentFold, Exposure
from streams.experiments.result import ExperimentResult
from streams.schema.decisions.experiment import Arm, Experiment, Guardrail
from streams.schema.decisions.reward import Reward
from tests.unit.streams.experiments.rewards import HORIZON_MS, START_MS, experiment, reward

END_MS = START_MS + 1_000_000_000


def rewards(rates: dict[str, float], users: int, decisions: int = 3, seed: int = 0, **fields: Any) -> list[Reward]:
    """So many users in each arm, in turn, who are rewarded with the arm's probability."""
    source = random.Random(seed)
    return [
        reward(
            f"{arm}{user}",
            float(source.random() < rate),
            time=START_MS + 1000 * (user * decisions + turn),
            experiment="e",
            arm=arm,
            **fields,
        )
        for user in range(users)
        for turn in range(decisions)
        for arm, rate in rates.items()
    ]


def folded(experiment: Experiment, records: Sequence[Reward]) -> ExperimentResult:
    fold = ExperimentFold()
    fold.put("e", experiment)
    for record in records:
        fold.add_reward(0, record)
    fold.advance(END_MS)
    return fold.results()["e"]


def test_rewards_are_counted_by_arm() -> None:
    result = folded(
        experiment(),
        [
            reward("u1", 1.0, experiment="e", arm="a"),
            reward("u1", 0.0, experiment="e", arm="a"),
            reward("u2", 1.0, experiment="e", arm="b"),
            reward("u3", 5.0, experiment="other", arm="b"),
            reward("u4", 5.0),
        ],
    )
    assert [(arm.users, arm.exposed, arm.decisions, arm.mean) for arm in result.arms] == [
        (1, 1, 2, 0.5),
        (1, 1, 1, 1.0),
    ]
    assert [(arm.low, arm.high) for arm in result.arms] == [(None, None)] * 2
    assert (result.winner, result.sample_ratio.is_right, result.state) == (None, True, "running")


def test_the_better_arm_is_found_and_stays_found() -> None:
    records = rewards({"a": 0.2, "b": 0.5}, users=150)
    result = folded(experiment(), records)
    control, better = result.arms
    assert result.winner == "b"
    assert control.difference is None
    assert (better.difference_low or 0) > 0
    assert (better.p_value or 1) < 0.05
    assert START_MS < (result.decided_at or 0) < records[-1].time
    assert 10 < len(result.history) <= 120
    assert [point.time for point in result.history] == sorted({point.time for point in result.history})
    last = result.history[-1].arms[1]
    assert (last.low or 1) < 0.5 < (last.high or 0)


def test_equal_arms_have_no_winner() -> None:
    assert folded(experiment(), rewards({"a": 0.3, "b": 0.3}, users=300)).winner is None


def test_results_are_the_same_in_whatever_order_the_topics_are_read() -> None:
    records = rewards({"a": 0.2, "b": 0.4}, users=60)
    exposures = [Exposure(record.user_id, record.time, "e", record.arm) for record in records]
    first = ExperimentFold()
    first.put("e", experiment())
    for exposure in exposures:
        first.add_exposure(exposure)
    for record in records:
        first.add_reward(0, record)
    first.advance(END_MS)
    second = ExperimentFold()
    for record in records:
        second.add_reward(int(record.user_id[1:]) % 3, record)  # three partitions
        second.settle(behind=[0, 1, 2, 3])
    second.advance(END_MS)
    second.put("e", experiment())  # read last
    for exposure in exposures:
        second.add_exposure(exposure)
    one, other = first.results()["e"], second.results()["e"]
    assert (one.arms, one.history, one.winner, one.decided_at) == (
        other.arms,
        other.history,
        other.winner,
        other.decided_at,
    )
    assert one.arms[0].users == 60


def test_a_user_who_is_known_from_before_makes_the_result_more_precise() -> None:
    source = random.Random(1)
    taste = {f"{arm}{user}": source.random() for user in range(200) for arm in ("a", "b")}
    before = [
        reward(user, float(source.random() < p), time=START_MS - 10_000 + turn)
        for turn in range(20)
        for user, p in taste.items()
    ]
    during = [
        reward(user, float(source.random() < p), time=START_MS + turn, experiment="e", arm=user[0])
        for turn in range(5)
        for user, p in taste.items()
    ]
    assert folded(experiment(), [*before, *during]).variance_ratio < 0.5
    assert folded(experiment(), during).variance_ratio == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "crossed"), [(0.1, True), (0.5, False)])
def test_a_guardrail_is_crossed_by_an_arm_that_does_harm(rate: float, crossed: bool) -> None:
    guarded = experiment(
        metric="feedback.purchase", guardrails=(Guardrail(metric="no_feedback", harm="increase", allowed=0.05),)
    )
    result = folded(guarded, rewards({"a": 0.5, "b": rate}, users=150))
    assert result.arms[0].guardrails == []
    [guardrail] = result.arms[1].guardrails
    assert guardrail.is_crossed is crossed
    assert guardrail.mean == pytest.approx(1 - rate, abs=0.1)
    assert result.arms[1].mean == 0.0  # purchases


def test_arms_that_get_too_few_users_are_noticed() -> None:
    fold = ExperimentFold()
    fold.put("e", experiment())
    for user in range(400):
        fold.add_exposure(Exposure(f"u{user}", START_MS, "e", "a" if user % 3 else "b"))
    assert not fold.results()["e"].sample_ratio.is_right


def test_the_sample_ratio_is_of_the_time_when_all_arms_ran() -> None:
    stopped = experiment(arms=(Arm(name="a"), Arm(name="b", stopped_at=START_MS + 1000)))
    fold = ExperimentFold()
    fold.put("e", stopped)
    for user in range(100):
        fold.add_exposure(Exposure(f"u{user}", START_MS, "e", "ab"[user % 2]))
    for user in range(100, 600):
        fold.add_exposure(Exposure(f"u{user}", START_MS + 2000, "e", "a"))
    result = fold.results()["e"]
    assert result.sample_ratio.is_right
    assert [arm.exposed for arm in result.arms] == [550, 50]
    assert [arm.state for arm in result.arms] == ["running", "stopped"]


def test_a_stop_keeps_what_was_counted_and_a_new_beginning_does_not() -> None:
    fold = ExperimentFold()
    fold.put("e", experiment())
    fold.add_reward(0, reward("u", 1.0, experiment="e", arm="a"))
    fold.advance(END_MS)
    fold.put("e", experiment(stopped_at=START_MS + 5, stopped_because="done"))
    result = fold.results()["e"]
    assert (result.state, result.stopped_because, result.arms[0].users) == ("stopped", "done", 1)
    fold.put("e", msgspec.structs.replace(experiment(), created_at=START_MS + 10))
    assert fold.results()["e"].arms[0].users == 0
    fold.put("e", None)
    assert fold.results() == {}


def test_decisions_of_a_user_who_changed_the_arm_are_left_out() -> None:
    result = folded(
        experiment(), [reward("u", 1.0, experiment="e", arm="a"), reward("u", 0.0, experiment="e", arm="b")]
    )
    assert [(arm.users, arm.decisions) for arm in result.arms] == [(1, 1), (0, 0)]


def test_what_waits_is_counted_once_time_has_passed() -> None:
    fold = ExperimentFold()
    fold.put("e", experiment())
    fold.add_reward(0, reward("u0", 0.0, experiment="e", arm="b"))
    fold.add_reward(0, reward("u1", 1.0, time=START_MS + 5, closed="feedback", experiment="e", arm="a"))
    fold.advance(START_MS + 5 + HORIZON_MS)
    assert [arm.users for arm in fold.results()["e"].arms] == [0, 1]
    fold.advance(START_MS + 6 + HORIZON_MS)
    assert fold.results()["e"].arms[0].users == 1


def test_a_partition_that_is_behind_is_waited_for() -> None:
    fold = ExperimentFold()
    fold.put("e", experiment())
    fold.add_reward(0, reward("u0", 0.0, time=START_MS + 9, experiment="e", arm="a"))
    fold.add_reward(0, reward("u1", 0.0, time=START_MS + 20, experiment="e", arm="a"))
    fold.settle(behind=[1])
    assert fold.results()["e"].arms[0].users == 0
    fold.add_reward(1, reward("u2", 0.0, time=START_MS + 5, experiment="e", arm="a"))
    fold.add_reward(1, reward("u3", 0.0, time=START_MS + 9, experiment="e", arm="a"))
    fold.settle(behind=[1])
    assert fold.results()["e"].arms[0].users == 1  # others of that millisecond may come
    fold.add_reward(1, reward("u4", 0.0, time=START_MS + 10, experiment="e", arm="a"))
    fold.settle(behind=[1])
    assert fold.results()["e"].arms[0].users == 3


def test_decisions_of_one_millisecond_are_counted_in_one_order_whichever_partition_is_read_first() -> None:
    records = [
        reward(
            f"u{number}", float(number % 3), time=START_MS + 1000 * (number // 8), experiment="e", arm="ab"[number % 2]
        )
        for number in range(400)
    ]
    results = []
    for partitions in ((0, 1, 2), (2, 1, 0)):
        fold = ExperimentFold()
        fold.put("e", experiment())
        for partition in partitions:
            for record in records[partition::3]:
                fold.add_reward(partition, record)
                fold.settle(behind=(0, 1, 2))
        fold.advance(END_MS)
        results.append(fold.results()["e"].history)
    assert results[0] == results[1]
    assert len(results[0]) > 5
