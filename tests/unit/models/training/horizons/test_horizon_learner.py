"""Heads that learn from labels as they come due, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.horizons.horizon_days import DAY_S
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.horizons.horizon_learner import HorizonLearner

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
USERS = 60
LEARNING = LearnerConfig(panel_users=64, panel_queries=64)


class Stream:
    """Users of whom the first half come every day, and the others stop after the fifth day."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = replace(config, horizons=True)
        self.engine = Engine(self.config, ItemVocabulary(10))
        self.rows = new_user_states(self.config, USERS)
        self.learner = HorizonLearner(self.config, LEARNING)

    def day(self, day: int, users: NDArray[np.int64]) -> None:
        time_ms = START_MS + day * DAY_S * 1000 + users * HOUR_MS // 6
        zeros = np.zeros(len(users), np.int64)
        batch = EventBatch(np.arange(len(users)), zeros, zeros + 2, time_ms)
        self.rows[users] = self.engine.replay(batch, self.rows[users])
        self.learner.observe(self.rows[users], zeros + 1, (users + 1).astype(np.uint32))
        while self.learner.due_labels:
            self.learner.train_step()

    def run(self, days: range) -> None:
        for day in days:
            self.day(day, np.arange(USERS if day < 5 else USERS // 2))

    def return_p(self) -> NDArray[np.float32]:
        silent_s = (self.learner.clock_ms - self.rows["last_time_ms"]) / 1000
        return self.learner.model.return_p(self.learner.model.signals(self.rows, silent_s))


def parameters(learner: HorizonLearner) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(array) for array in learner.model.state().values()])


def test_who_comes_daily_is_expected_back_and_who_fell_silent_is_not(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.run(range(45))
    p = stream.return_p()
    assert (np.diff(p, axis=1) >= 0).all()
    assert p[: USERS // 2, 1].min() > 0.9
    assert p[USERS // 2 :, 1].max() < 0.05
    assert p[USERS // 2 :, 2].max() < 0.4


def test_no_label_reaches_the_model_before_its_time(config: ModelConfig) -> None:
    """All parameters are those of before, until the first horizon has passed for who was asked first."""
    stream = Stream(config)
    initial = parameters(stream.learner)
    stream.run(range(2))  # the first questions come with the second day
    assert len(stream.learner._waiting) > 0
    np.testing.assert_array_equal(parameters(stream.learner), initial)
    stream.run(range(2, 4))
    assert (parameters(stream.learner) != initial).any()


def test_a_longer_horizon_is_fitted_only_once_it_has_passed(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.run(range(30))
    fitted = stream.learner.model.mixture.regressions.labels > 0
    assert fitted.tolist() == [True, True, False]
    stream.run(range(30, 42))
    assert stream.learner.model.mixture.regressions.labels.all()


def test_the_future_does_not_change_what_is_known_now(config: ModelConfig) -> None:
    """Two streams that part after a day teach the same until a label of that day is due."""
    first, second = Stream(config), Stream(config)
    for stream in (first, second):
        stream.run(range(12))
    first.day(12, np.arange(USERS // 2))
    second.day(12, np.arange(USERS // 2 - 1, USERS // 2))  # whose event is the newest of that day
    np.testing.assert_array_equal(parameters(first.learner), parameters(second.learner))


def test_one_wrong_date_makes_no_label_due(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.run(range(4))
    clock_ms, before = stream.learner.clock_ms, parameters(stream.learner)
    wrong = stream.rows[:3].copy()
    wrong["last_time_ms"][0] += 300 * DAY_S * 1000
    stream.learner.observe(wrong, np.ones(3, np.int64), np.arange(1, 4, dtype=np.uint32))
    assert stream.learner.clock_ms == clock_ms
    assert stream.learner.due_labels == 0
    np.testing.assert_array_equal(parameters(stream.learner), before)


def test_forgotten_users_are_held_nowhere(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.run(range(8))
    learner = stream.learner
    learner.forget_users(np.array([1, 2], np.uint32))
    held = [learner._panel.users, learner._waiting._held.user, *(labels.user for labels in learner._labels)]
    assert all(len(users) and not np.isin(users, [1, 2]).any() for users in held[:3])
    assert not np.isin(held[-1], [1, 2]).any()


def test_it_goes_on_from_a_checkpoint(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.run(range(20))
    other = HorizonLearner(stream.config, LEARNING)
    other.begin(stream.learner.model.state(), stream.learner.state())
    assert other.clock_ms == stream.learner.clock_ms
    np.testing.assert_array_equal(parameters(other), parameters(stream.learner))
    assert len(other._waiting) == len(stream.learner._waiting) > 0
    before = parameters(other)
    stream.learner = other
    stream.run(range(20, 32))
    assert (parameters(other) != before).any()
    assert stream.return_p()[: USERS // 2, 1].min() > 0.7


def test_in_a_batch_of_weeks_who_returned_is_asked_about_as_well(config: ModelConfig) -> None:
    """All of 20 days at once: the stream's time is that of its end, and the users who came last are asked about."""
    stream = Stream(config)
    stream.run(range(2))
    users = np.arange(0, USERS, 3)
    time_ms = START_MS + (3 + users % 20) * DAY_S * 1000
    zeros = np.zeros(len(users), np.int64)
    stream.rows[users] = stream.engine.replay(
        EventBatch(np.arange(len(users)), zeros, zeros + 2, time_ms), stream.rows[users]
    )
    stream.learner.observe(stream.rows[users], zeros + 1, (users + 1).astype(np.uint32))
    assert stream.learner.clock_ms == time_ms.max()
    asked = stream.learner._waiting._held
    newest = asked.user[asked.time_ms == time_ms.max()]
    assert len(newest) == USERS


def test_where_events_are_rare_more_is_asked_at_once(config: ModelConfig) -> None:
    stream = Stream(config)
    stream.learner = HorizonLearner(stream.config, replace(LEARNING, panel_queries=5))
    stream.run(range(2))
    assert len(stream.learner._waiting) == 4 * 5  # a day has four times of asking


@pytest.mark.parametrize("field", ["panel_users", "panel_queries"])
def test_a_panel_has_users(field: str) -> None:
    with pytest.raises(ValueError, match=f"learning.{field}"):
        LearnerConfig(**{field: 0})  # type: ignore[arg-type]  # mypy does not know which field it is
