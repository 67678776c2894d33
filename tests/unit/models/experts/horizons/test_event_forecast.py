"""Types of events to come, and spending."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.event_features import value_buckets
from models.data.event_types import EVENT_TYPES, type_index
from models.data.horizons.activity import MEAN_VALUE, RECENCY_FEATURES, mean_value_of, value_of_bucket
from models.experts.horizons.event_forecast import EventForecast
from models.experts.horizons.online_linear import OnlineLinear

PURCHASE, VIEW = type_index("purchase"), type_index("view")


def test_values_come_back_from_their_buckets() -> None:
    values = np.array([0.0, 9.99, 250.0, -3.0], np.float32)
    np.testing.assert_allclose(value_of_bucket(value_buckets(values)), values, rtol=0.06, atol=0.01)
    assert value_of_bucket(value_buckets(np.array([np.nan], np.float32)))[0] == 0


def test_who_buys_and_for_how_much_is_learnt() -> None:
    """Frequent users buy, and for what their events were worth so far; the others only look."""
    random, forecast = np.random.default_rng(0), EventForecast()
    for _ in range(40):
        frequent = random.random(100) < 0.5
        recency = np.zeros((100, RECENCY_FEATURES))
        recency[:, 0], recency[:, 2] = 1, frequent
        recency[:, MEAN_VALUE] = random.choice([0.3, 0.5], 100)
        types = np.zeros((100, len(EVENT_TYPES)), np.bool_)
        types[:, VIEW], types[:, PURCHASE] = True, frequent & (random.random(100) < 0.8)
        spent = np.where(types[:, PURCHASE], mean_value_of(recency[:, MEAN_VALUE]), 0)
        forecast.fit(1, recency, np.zeros(100), types, spent)
    recency = recency[:4]
    recency[:, 2], recency[:, MEAN_VALUE] = [1, 1, 0, 0], [0.3, 0.5, 0.3, 0.5]
    type_p = forecast.type_p(recency, np.zeros((4, 3)))
    np.testing.assert_allclose(type_p[:, 1, PURCHASE], [0.8, 0.8, 0.0, 0.0], atol=0.06)
    assert (type_p[:, 1, VIEW] > 0.95).all()
    assert not type_p[:, 1, type_index("search")].any()  # never came
    assert not type_p[:, 0].any()  # no label of this horizon
    spent = forecast.spending(recency, type_p)[:, 1]
    expected = type_p[:, 1, PURCHASE] * mean_value_of(recency[:, MEAN_VALUE])
    np.testing.assert_allclose(spent[:2], expected[:2], rtol=0.05)
    assert spent[2:].max() < 0.1  # whose purchases nothing is known of, as there are none
    other = EventForecast()
    other.restore(forecast.state())
    np.testing.assert_array_equal(other.type_p(recency, np.zeros((4, 3))), type_p)


def test_a_linear_regression_is_that_of_all_labels_and_lets_older_ones_fade() -> None:
    random = np.random.default_rng(1)
    x = np.column_stack([np.ones(400), random.standard_normal(400)])
    before, after = x @ [1.0, 2.0], x @ [3.0, -1.0]
    kept, fading = OnlineLinear(1, 2, 1e-6, np.inf), OnlineLinear(1, 2, 1e-6, 50.0)
    for regression in (kept, fading):
        for label in (before, after):
            for low in range(0, 400, 20):
                regression.fit(0, x[low : low + 20], label[low : low + 20])
    np.testing.assert_allclose(kept.predict(x)[:, 0], (before + after) / 2, atol=1e-6)
    np.testing.assert_allclose(fading.predict(x)[:, 0], after, atol=0.1)
    with pytest.raises(ValueError, match="regressions of shape"):
        OnlineLinear(2, 2, 1.0, 1.0).restore(kept.state())
