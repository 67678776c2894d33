from collections import Counter

import pytest

from models.experiments.assignment import Assignment

USERS = [f"u{number}" for number in range(20_000)]


def arms(assignment: Assignment) -> list[int | None]:
    return [assignment.arm(user) for user in USERS]


def test_an_assignment_never_changes() -> None:
    # Whoever changes the hash moves the users of every running experiment.
    assignment = Assignment("checkout", (1, 1))
    assert [assignment.arm(user) for user in ("u1", "u2", "u3", "ü", "")] == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (0.2, 0.3, 0.5)])
def test_arms_get_their_shares(weights: tuple[float, ...]) -> None:
    counts = Counter(arms(Assignment("a", weights)))
    for arm, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(counts[arm] / len(USERS) - share) < 4 * (share * (1 - share) / len(USERS)) ** 0.5


def test_experiments_are_independent() -> None:
    pairs = Counter(zip(arms(Assignment("a", (1, 1))), arms(Assignment("b", (1, 1))), strict=True))
    assert len(pairs) == 4
    assert all(abs(count / len(USERS) - 0.25) < 0.0125 for count in pairs.values())


def test_more_traffic_adds_users_and_moves_none() -> None:
    few, many = arms(Assignment("a", (1, 1), traffic=0.05)), arms(Assignment("a", (1, 1), traffic=0.5))
    assert abs(sum(arm is not None for arm in few) / len(USERS) - 0.05) < 0.01
    assert all(after == before for before, after in zip(few, many, strict=True) if before is not None)


def test_held_out_users_are_the_same_in_all_experiments() -> None:
    held = [{user for user in USERS if Assignment(salt, (1, 1), holdout=0.1).arm(user) is None} for salt in ("a", "b")]
    assert held[0] == held[1]
    assert abs(len(held[0]) / len(USERS) - 0.1) < 0.01
    assert {user for user in USERS if Assignment("c", (1,), holdout=0.05).arm(user) is None} < held[0]
