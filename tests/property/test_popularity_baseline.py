"""Decayed popularity ranks as the definition says, whatever was observed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.popularity_baseline import DecayedPopularity


@given(
    st.lists(st.integers(1, 8), max_size=60),
    st.integers(1, 9),
    st.sets(st.integers(1, 9), max_size=4),
    st.sampled_from([0.5, 3.0, 1e6]),
    st.integers(1, 5),
)
def test_rank_is_that_among_decayed_counts(
    observed: list[int], item: int, had: set[int], half_life: float, batches: int
) -> None:
    popularity = DecayedPopularity(half_life)
    counts: dict[int, float] = {}
    for age, one in enumerate(reversed(observed)):
        counts[one] = counts.get(one, 0.0) + 0.5 ** (age / half_life)
    for batch in np.array_split(np.array(observed, dtype=np.int64), batches):
        popularity.observe(batch)
    rank = popularity.rank(item, np.array(sorted(had), dtype=np.int64))
    rivals = [count for other, count in counts.items() if other not in had and other != item]
    if item in had or item not in counts:
        assert rank == float("inf")
        return
    item_count = counts[item]
    ahead = sum(count > item_count * (1 + 1e-9) for count in rivals)
    near = sum(abs(count - item_count) <= 1e-9 * item_count for count in rivals)
    assert ahead + 1 <= rank <= ahead + near + 1
    if not near:
        assert rank == pytest.approx(ahead + 1)
