from typing import Any

import msgspec

from streams.experiments.assigned_arm import assigned_arm
from streams.schema.decisions.experiment import Arm
from tests.unit.streams.experiments.rewards import START_MS, experiment

USERS = [f"u{number}" for number in range(400)]


def names(**fields: Any) -> list[str | None]:
    arms = [assigned_arm(experiment(**fields), user) for user in USERS]
    return [None if arm is None else arm.name for arm in arms]


def test_users_get_an_arm_by_its_weight_or_take_no_part() -> None:
    assert 150 < names().count("a") < 250
    assert names().count("a") + names().count("b") == len(USERS)
    assert 150 < names(traffic=0.5).count(None) < 250
    weighted = names(arms=(Arm(name="a", weight=9), Arm(name="b", weight=1)))
    assert 10 < weighted.count("b") < 80


def test_whoever_is_stopped_decides_for_nobody_and_moves_no_other() -> None:
    assert set(names(stopped_at=START_MS)) == {None}
    stopped = names(arms=(Arm(name="a"), msgspec.structs.replace(Arm(name="b"), stopped_at=START_MS)))
    assert stopped == [None if name == "b" else name for name in names()]
