"""The hazard of return: shares of buckets, probabilities, and what its loss learns from censored gaps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.network.heads.return_time import (
    EDGES_S,
    ReturnTimeHead,
    bucket_shares,
    cumulative_hazard,
    event_share,
    return_loss,
)


def test_shares_of_consecutive_intervals_add_up() -> None:
    cuts = np.array([0.0, 30.0, 61.0, 5_000.0, 9e5, 1e9, 3e9])
    low, high = cuts[:-1], cuts[1:]
    parts = bucket_shares(low, high).sum(0)
    (shares,) = bucket_shares(cuts[:1], cuts[-1:])
    np.testing.assert_allclose(parts, shares, rtol=1e-5)
    assert (shares[:-1] == 1).all()
    assert shares[-1] > 1  # the last bucket has no end


def test_an_interval_within_a_bucket_has_its_share_by_time() -> None:
    (shares,) = bucket_shares(np.array([15.0]), np.array([30.0]))
    assert shares[0] == pytest.approx(0.25)
    assert not shares[1:].any()
    (none,) = bucket_shares(np.array([30.0]), np.array([30.0]))
    assert not none.any()


def test_cumulative_hazard_is_that_of_the_shares_of_all_buckets() -> None:
    time_s = np.array([0.0, 30.0, 60.0, 61.0, 5_000.0, 9e5, 1e9, 3e9])
    hazard = np.random.default_rng(0).random((2, len(EDGES_S) - 1)).astype(np.float32)
    shares = bucket_shares(np.zeros(len(time_s)), time_s)
    np.testing.assert_allclose(
        cumulative_hazard(hazard, np.stack([time_s, time_s])), hazard @ shares.T, rtol=1e-5, atol=1e-9
    )


def test_an_event_at_the_edge_of_a_bucket_is_in_the_one_that_ends_there() -> None:
    event_bucket = event_share(np.zeros(3), np.full(3, 1e7), np.array([60.0, 60.5, np.nan]))
    assert (event_bucket[0].argmax(), event_bucket[1].argmax()) == (0, 1)
    assert not event_bucket[2].any()
    assert len(EDGES_S) == event_bucket.shape[1] + 1


def test_the_hazard_learns_from_events_and_from_censored_gaps() -> None:
    """Users who return at a constant rate, of whom most are seen for less time than they take."""
    random = np.random.default_rng(0)
    rate = 1 / 50_000
    returns, seen = random.exponential(1 / rate, 1500), random.uniform(5_000, 60_000, 1500)
    event = np.where(returns <= seen, returns, np.nan)
    assert 0.3 < np.isnan(event).mean() < 0.9
    low = np.zeros(len(event))
    event_bucket = event_share(low, seen, event)
    before = bucket_shares(low, np.where(np.isnan(event), seen, event)) * (event_bucket == 0)
    head = ReturnTimeHead(1)
    head.reset(torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    inputs = torch.zeros(len(event), 1)
    for _ in range(120):
        optimizer.zero_grad()
        torch.autograd.backward(
            return_loss(head(inputs), torch.from_numpy(before), torch.from_numpy(event_bucket)).mean()
        )
        optimizer.step()
    hazard = head(inputs[:1]).detach().numpy()
    for silent, within in ((0.0, 20_000.0), (10_000.0, 20_000.0), (20_000.0, 30_000.0)):
        share = bucket_shares(np.array([silent]), np.array([silent + within]))
        p = 1 - np.exp(-(hazard * share).sum())
        assert p == pytest.approx(1 - np.exp(-rate * within), abs=0.04)
