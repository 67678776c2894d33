import numpy as np

from models.policy.deep_q.replay import ReplayBuffer, StoredDecisions


def decisions(rewards: list[float]) -> StoredDecisions:
    count = len(rewards)
    return StoredDecisions(
        np.zeros((count, 2)),
        np.zeros((count, 1), np.int64),
        np.zeros((count, 1), np.int64),
        np.zeros((count, 1)),
        np.zeros((count, 1, 3)),
        np.array(rewards)[:, None],
        np.ones(count),
    )


def chains(replay: ReplayBuffer, steps: int) -> set[tuple[float, ...]]:
    """The rewards of what can be sampled, and of what follows."""
    rows, path, known = replay.sample(400, steps, np.random.default_rng(0))
    first, later = replay.decisions(rows).rewards[:, 0], replay.decisions(path.ravel()).rewards.reshape(path.shape)
    return {
        (float(one), *(float(next_) for next_ in following[:count]))
        for one, following, count in zip(first, later, known, strict=True)
    }


def test_a_decision_is_followed_by_those_of_its_user() -> None:
    replay = ReplayBuffer(10)
    assert not len(replay.sample(5, 2, np.random.default_rng(0))[0])
    replay.add(np.array([7, 8, 7]), decisions([1, 2, 3]))
    replay.add(np.array([8, 7, 9]), decisions([4, 5, 6]))
    assert chains(replay, 2) == {(1, 3, 5), (3, 5), (2, 4)}


def test_what_the_ring_dropped_is_followed_by_nothing() -> None:
    replay = ReplayBuffer(4)
    for number in range(11):
        replay.add(np.array([number % 3]), decisions([number]))
    assert len(replay) == 4
    assert chains(replay, 3) == {(7, 10)}


def test_more_decisions_than_the_ring_has_rows() -> None:
    replay = ReplayBuffer(4)
    replay.add(np.arange(10) % 2, decisions(list(range(10))))
    assert chains(replay, 1) == {(6, 8), (7, 9)}
