"""What a row tells of its user's activity, beside the same counted event by event."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, pstdev

import numpy as np

from models.config import ModelConfig
from models.data.event_features import value_buckets
from models.data.horizons.activity import DECAY_DAYS, Activity, mean_value_of, value_of_bucket
from models.data.horizons.horizon_days import DAY_S
from models.data.user_state import new_user_states

RING = 5


def middle_s(bucket: int) -> float:
    """Of a bucket of gaps: halfway between 2^(b - 1) - 1 and 2^b - 1 seconds, as bounds of doubling sizes have it."""
    return 0.75 * 2.0**bucket - 1


def test_activity_is_that_of_the_stored_events(config: ModelConfig) -> None:
    rows = new_user_states(replace(config, history_length=RING), 3)
    stored: list[list[tuple[int, float]]] = [
        [(0, 0.0), (18, 4.0), (14, math.nan), (20, -2.5)],
        [(16, 3.0)] * 5 + [(19, 8.0), (12, 1.0)],
        [],
    ]
    for row, events in zip(rows, stored, strict=True):
        for number, (gap, value) in enumerate(events):
            row["ring_gap"][number % RING] = gap
            row["ring_value"][number % RING] = value_buckets(np.array([value], np.float32))[0]
        row["steps"] = len(events)
    activity = Activity.of(rows)
    for user, events in enumerate(stored[:2]):
        newest = events[::-1][:RING]
        gaps = [middle_s(gap) for gap, _ in newest if gap]
        logs = [math.log1p(gap / DAY_S) for gap in gaps]
        assert activity.events[user] == len(events)
        assert activity.last_gap_s[user] == gaps[0]
        np.testing.assert_allclose(activity.mean_log_gap[user], fmean(logs))
        np.testing.assert_allclose(activity.std_log_gap[user], pstdev(logs), atol=1e-7)
        np.testing.assert_allclose(activity.age_s[user], fmean(gaps) * (len(events) - 1))
        ages = np.cumsum([0.0, *gaps])[: len(newest)]
        expected = [np.exp(-ages / (days * DAY_S)).sum() for days in DECAY_DAYS]
        np.testing.assert_allclose(activity.decayed[user], expected, rtol=1e-5)
        values = value_buckets(np.array([value for _, value in newest if not math.isnan(value)], np.float32))
        octaves = np.log2(1 + np.abs(value_of_bucket(values))) * np.sign(value_of_bucket(values))
        mean = octaves.mean()
        np.testing.assert_allclose(mean_value_of(activity.mean_value)[user], np.sign(mean) * (2 ** abs(mean) - 1))
    nothing = [activity.events, activity.age_s, activity.last_gap_s, activity.mean_log_gap, activity.mean_value]
    assert [array[2] for array in nothing] == [0] * 5
    assert not activity.decayed[2].any()


def test_nobody_has_no_activity(config: ModelConfig) -> None:
    activity = Activity.of(new_user_states(config, 0))
    assert activity.state_features().shape[0] == len(activity.recency_features(np.zeros(0))) == 0
