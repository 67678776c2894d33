import json

import numpy as np

from bench.throughput.backlog import Backlog


def test_a_user_stays_in_one_partition_and_all_partitions_are_used() -> None:
    records = Backlog(events=2000, users=100, skew=0.0, partitions=8).records()
    assert len(records) == 2000
    partitions_of: dict[bytes, set[int]] = {}
    for partition, key, value in records:
        partitions_of.setdefault(key, set()).add(partition)
        assert json.loads(value)["user_id"].encode() == key
    assert all(len(partitions) == 1 for partitions in partitions_of.values())
    assert {partition for partitions in partitions_of.values() for partition in partitions} == set(range(8))


def test_event_ids_are_unique() -> None:
    records = Backlog(events=500, users=10, skew=0.0, partitions=2).records()
    assert len({json.loads(value)["event_id"] for _, _, value in records}) == 500


def test_skew_makes_the_first_users_busy() -> None:
    uniform = np.bincount(Backlog(20_000, 1000, 0.0, 8).draw_users(), minlength=1000)
    zipf = np.bincount(Backlog(20_000, 1000, 1.1, 8).draw_users(), minlength=1000)
    assert uniform.max() < 50
    assert zipf[0] > 2000
    assert zipf[0] > zipf[1] > zipf[10]


def test_a_seed_gives_the_same_backlog() -> None:
    assert Backlog(100, 10, 1.0, 4, seed=3).records() == Backlog(100, 10, 1.0, 4, seed=3).records()
    assert Backlog(100, 10, 1.0, 4, seed=3).records() != Backlog(100, 10, 1.0, 4, seed=4).records()
