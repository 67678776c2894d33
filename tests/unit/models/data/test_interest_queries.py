"""Soft labels of interest: those of events within the horizon, each user's together one, once it has passed."""

from __future__ import annotations

import numpy as np

from models.config import ModelConfig
from models.data.horizons import DAY_S
from models.data.interest_queries import MAX_SCORED, InterestQueries, ScoredParts
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


def test_a_label_is_due_once_and_weighs_one_for_each_user(config: ModelConfig) -> None:
    queries = asked_about(config, [7, 8])
    ((asked, *_),) = queries.waiting_for(np.array([7], np.uint32), np.array([DAY_MS]), RANDOM)
    asked.parts[0].append(scored([0, 0, 1], [0.5, 3.0, 5.0]))
    assert queries.take_due(DAY_MS) == []
    (day,) = queries.take_due(DAY_MS + 1)
    assert (day.kind, day.horizon, day.parts.weight.tolist()) == (0, 0, [1.0])
    (week,) = queries.take_due(8 * DAY_MS)
    assert (week.horizon, week.parts.query.tolist(), week.parts.weight.tolist()) == (1, [0, 0, 1], [0.5, 0.5, 1.0])
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
