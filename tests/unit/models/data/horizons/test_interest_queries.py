"""Soft labels of interest: the events within the horizon, once it has passed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.config import ModelConfig
from models.data.horizons.horizon_days import DAY_S
from models.data.horizons.interest_queries import MAX_PARTS, MAX_SCORED, InterestQueries, ScoredParts
from models.data.user_state import new_user_states

DAY_MS = DAY_S * 1000
RANDOM = np.random.default_rng(0)


def scored(query: list[int], days: list[float], weight: float = 1.0) -> ScoredParts:
    count = len(query)
    return ScoredParts(
        np.array(query), np.array(days) * DAY_S, np.ones((count, 4)), np.full((count, 6), 0.1), np.full(count, weight)
    )


def asked_about(config: ModelConfig, users: list[int]) -> InterestQueries:
    queries = InterestQueries()
    queries.add(0, np.array(users, np.uint32), new_user_states(config, len(users)))
    return queries


def test_events_of_users_who_were_asked_about_are_scored(config: ModelConfig) -> None:
    queries = asked_about(config, [7, 8])
    users, times = np.array([8, 9, 8, 7], np.uint32), np.array([DAY_MS, DAY_MS, 31 * DAY_MS, 0])
    ((asked, query, event),) = queries.waiting_for(users, times, RANDOM)
    assert asked.user[query].tolist() == [8]
    assert event.tolist() == [0]  # not beyond the longest horizon, and not of the time of the question
    many = np.full(1000, 7, np.uint32)
    ((_, query, _),) = queries.waiting_for(many, np.full(1000, DAY_MS), RANDOM)
    assert len(query) == MAX_SCORED


def test_a_label_is_due_once_and_each_event_weighs_alike(config: ModelConfig) -> None:
    queries = asked_about(config, [7, 8])
    ((asked, *_),) = queries.waiting_for(np.array([7], np.uint32), np.array([DAY_MS]), RANDOM)
    asked.parts[0].append(scored([0, 0, 1], [0.5, 3.0, 5.0]))
    assert queries.take_due(DAY_MS) == []
    (day,) = queries.take_due(DAY_MS + 1)
    assert (day.kind, day.horizon, day.parts.weight.tolist()) == (0, 0, [1.0])
    (week,) = queries.take_due(8 * DAY_MS)
    assert (week.horizon, week.parts.query.tolist(), week.parts.weight.tolist()) == (1, [0, 0, 1], [1.0, 1.0, 1.0])
    assert len(queries) == 2
    assert [label.horizon for label in queries.take_due(31 * DAY_MS)] == [2]
    assert len(queries) == 0


def test_forgotten_users_teach_nothing(config: ModelConfig) -> None:
    queries = asked_about(config, [7, 8])
    ((asked, *_),) = queries.waiting_for(np.array([7], np.uint32), np.array([DAY_MS]), RANDOM)
    asked.parts[1].append(scored([0, 1], [0.5, 0.5]))
    queries.forget_users(np.array([7], np.uint32))
    (label,) = queries.take_due(2 * DAY_MS)
    assert (label.kind, label.parts.query.tolist()) == (1, [1])
    assert not queries.waiting_for(np.array([7], np.uint32), np.array([DAY_MS]), RANDOM)


def test_what_waits_goes_on_from_a_checkpoint(config: ModelConfig) -> None:
    queries, row_dtype = InterestQueries(), new_user_states(config, 0).dtype
    for number in range(3):
        rows = new_user_states(config, 2)
        rows["steps"] = [number, 7]
        queries.add(number * DAY_MS, np.array([7, 8], np.uint32), rows)
    for user, day in ((7, 1), (8, 2)):
        for asked, *_ in queries.waiting_for(np.array([user], np.uint32), np.array([day * DAY_MS]), RANDOM):
            asked.put(0, scored([user - 7, user - 7], [0.25, 6.5]), RANDOM)
            asked.put(1, scored([user - 7], [3.5], 0.5), RANDOM)
    queries.take_due(DAY_MS + 1)
    restored = InterestQueries()
    restored.restore(queries.state(), row_dtype, 4, 6)
    assert len(restored) == len(queries) == 6
    for one, other in zip(queries._asked, restored._asked, strict=True):
        assert (one.time_ms, one.learnt) == (other.time_ms, other.learnt)
        np.testing.assert_array_equal(one.rows, other.rows)
    for clock_ms in (2 * DAY_MS + 1, 9 * DAY_MS, 33 * DAY_MS):
        labels, same = queries.take_due(clock_ms), restored.take_due(clock_ms)
        assert [(label.kind, label.horizon) for label in labels] == [(label.kind, label.horizon) for label in same]
        assert labels
        for label, other_label in zip(labels, same, strict=True):
            for name in ("query", "after_s", "features", "component_p", "weight"):
                np.testing.assert_array_equal(getattr(label.parts, name), getattr(other_label.parts, name))
    assert len(restored) == 0


def test_a_checkpoint_of_other_settings_is_left_out(config: ModelConfig) -> None:
    queries = asked_about(config, [7, 8])
    ((asked, *_),) = queries.waiting_for(np.array([7], np.uint32), np.array([DAY_MS]), RANDOM)
    asked.put(0, scored([0], [0.5]), RANDOM)
    state, wider = queries.state(), new_user_states(replace(config, hidden_size=64), 0).dtype
    for row_dtype, components in ((wider, 6), (new_user_states(config, 0).dtype, 7)):
        other = InterestQueries()
        other.restore(state, row_dtype, 4, components)
        assert len(other) == 0
    assert InterestQueries().state() == {}


def test_what_waits_is_bounded_and_stays_a_fair_sample(config: ModelConfig) -> None:
    queries, random = asked_about(config, [7, 8]), np.random.default_rng(1)
    (asked,) = queries._asked
    for day in np.arange(0.01, 30, 0.01):  # 3 000 events each, of the second user twice as many
        asked.put(0, scored([0, 1, 1], [day] * 3), random)
    (parts,) = [ScoredParts.concatenate(asked.parts[0])]
    assert MAX_PARTS[0] / 4 < len(parts) <= MAX_PARTS[0]
    assert 0.5 < (parts.query == 1).mean() < 0.8
    assert 0.35 < (parts.after_s < 15 * DAY_S).mean() < 0.65
