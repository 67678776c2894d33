"""A place is that of the plain definition, whatever may be predicted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.ranking import place


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.booleans()), min_size=2, max_size=9), st.data())
def test_place_among_what_is_allowed(items: list[tuple[float, bool]], data: st.DataObject) -> None:
    item = data.draw(st.integers(0, len(items) - 1))
    weight = torch.tensor([own for own, _ in items], dtype=torch.float64)
    allowed = torch.tensor([[may for _, may in items]])
    total = max(sum(own for own, may in items if may), 0.1)
    for given_ in (weight, weight.unsqueeze(0)):
        rank, log_p = place(given_, allowed, torch.tensor([item]), torch.tensor([total], dtype=torch.float64))
        own, may = items[item]
        if not may:
            assert (rank[0], log_p[0]) == (np.inf, -np.inf)
            continue
        rivals = [other for other, allowed_ in items if allowed_]
        ahead, equal = sum(other > own for other in rivals), sum(other == own for other in rivals)
        assert rank[0] == ahead + (equal + 1) / 2
        assert log_p[0] == pytest.approx(np.log(max(own / total, 1e-38)))
