"""The rank of an item is that of the plain definition, whatever the candidates."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.ranking import target_rank


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.booleans()), min_size=2, max_size=9), st.data())
def test_rank_among_the_candidates(items: list[tuple[float, bool]], data: st.DataObject) -> None:
    item = data.draw(st.integers(0, len(items) - 1))
    weight = torch.tensor([weight_ for weight_, _ in items], dtype=torch.float64)
    candidate = torch.tensor([[is_candidate for _, is_candidate in items]])
    total = max(sum(weight_ for weight_, is_candidate in items if is_candidate), 0.1)
    for shape in (weight, weight.unsqueeze(0)):
        rank, log_p = target_rank(shape, candidate, torch.tensor([item]), torch.tensor([total], dtype=torch.float64))
        target, is_candidate = items[item]
        if not is_candidate:
            assert (rank[0], log_p[0]) == (np.inf, -np.inf)
            continue
        rivals = [other for other, other_is_candidate in items if other_is_candidate]
        ahead, equal = sum(other > target for other in rivals), sum(other == target for other in rivals)
        assert rank[0] == ahead + (equal + 1) / 2
        assert log_p[0] == pytest.approx(np.log(max(target / total, 1e-38)))
