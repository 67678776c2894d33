"""A rolling mean is the plain mean of the last events, however they came."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.prequential_sample import PrequentialSample
from models.metrics.rolling import RollingQuality

_SCORES = st.one_of(st.just((np.inf, -np.inf)), st.tuples(st.floats(1, 500), st.floats(-80, 0)))


@given(st.lists(st.tuples(_SCORES, _SCORES), max_size=60), st.lists(st.integers(0, 60), max_size=6), st.integers(1, 30))
def test_running_means_are_the_means_over_the_window(
    events: list[tuple[tuple[float, float], tuple[float, float]]], cuts: list[int], window: int
) -> None:
    running = RollingQuality(window)
    rows = np.array(events, np.float64).reshape(-1, 4)
    for part in np.split(rows, sorted(min(cut, len(rows)) for cut in cuts)):
        running.add(PrequentialSample(np.arange(len(part)), *part.T))
    last = events[-window:]
    assert (running.scored, running.window) == (len(events), len(last))
    assert running.possible == sum(model[0] < np.inf for model, _ in last)
    for quality, scores in (
        (running.model, [model for model, _ in last]),
        (running.popularity, [popularity for _, popularity in last]),
    ):
        hits = [rank <= 10 for rank, _ in scores]
        losses = [-log_p for rank, log_p in scores if rank < np.inf]
        if scores:
            assert quality.recall_at_10 == pytest.approx(sum(hits) / len(scores))
            assert quality.mrr == pytest.approx(sum(1 / rank for rank, _ in scores) / len(scores))
        if losses:
            assert quality.log_loss == pytest.approx(sum(losses) / len(losses), abs=1e-9)
        else:
            assert np.isnan(quality.log_loss)
