import numpy as np

from streams.policy.exposures import Exposures
from streams.policy.features import CATEGORY_BUCKETS, category_index

DRAMA, COMEDY = category_index("Drama"), category_index("Comedy")


def test_exposures_count_what_was_looked_at_by_user_and_fade() -> None:
    exposures = Exposures((1.0, 0.5))
    exposures.add("u1", np.array([DRAMA, COMEDY, COMEDY, -1]))
    exposures.add("u1", np.array([COMEDY]))
    counted = exposures.of("u1")
    assert counted[DRAMA % CATEGORY_BUCKETS] == 0.9
    assert counted[COMEDY % CATEGORY_BUCKETS] == 0.9 + 1  # the last share stands for all further places
    assert counted.sum() == 2.8
    assert not exposures.of("u2").any()


def test_users_without_decisions_for_longest_are_forgotten() -> None:
    exposures = Exposures(max_users=2)
    for user in ("u1", "u2", "u1", "u3"):
        exposures.add(user, np.array([DRAMA]))
    assert [bool(exposures.of(user).any()) for user in ("u1", "u2", "u3")] == [True, False, True]
