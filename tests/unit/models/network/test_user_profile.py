from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_profile import profile_of, store_profile, stored_profiles
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.user_profile import UserProfile
from models.training.online import OnlineLearner

NAN = float("nan")
CLICK = 2


@pytest.fixture
def config(config: ModelConfig) -> ModelConfig:
    return replace(config, text="none", experts=False, user_features=2, user_numbers="age, income")


def test_a_profile_has_the_vector_then_the_named_numbers(config: ModelConfig) -> None:
    profile = profile_of(config, (1.5, -2, 9), {"income": 1e6, "colour": 3})
    np.testing.assert_allclose(profile, [1.5, -2, NAN, np.log1p(1e6)], rtol=1e-6)
    assert np.isnan(profile_of(config, (), {})).all()


def test_rows_keep_profiles_and_that_numbers_are_missing(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    assert np.isnan(stored_profiles(rows)).all()
    store_profile(rows, 1, np.array([1, NAN, 0, 3], np.float32))
    np.testing.assert_array_equal(stored_profiles(rows)[1], [1, NAN, 0, 3])
    assert stored_profiles(new_user_states(replace(config, user_features=0, user_numbers=""), 2)).shape == (2, 0)


def test_mean_and_deviation_are_those_of_the_profiles_so_far() -> None:
    profiles = torch.from_numpy(np.random.default_rng(0).normal([5, -100], [0.1, 50], (600, 2)).astype(np.float32))
    profiles[::3, 1] = NAN
    network = UserProfile(2, 4)
    for batch in profiles.reshape(-1, 50, 2):
        network.observe(batch)
    known = profiles[:, 1][profiles[:, 1].isfinite()]
    np.testing.assert_allclose(network.mean.detach(), [profiles[:, 0].mean(), known.mean()], rtol=1e-3)
    np.testing.assert_allclose(network.variance.detach(), [profiles[:, 0].var(), known.var()], rtol=1e-2)
    with torch.no_grad():
        network.weight.fill_(1.0)
        assert network(torch.tensor([[NAN, NAN]])).abs().sum() == 0
        assert network(torch.tensor([[1e9, NAN]])).max() == 4, "a mistaken number is bounded"


def test_without_user_features_the_network_has_no_part_for_them(config: ModelConfig) -> None:
    without = InterestNetwork(replace(config, user_features=0, user_numbers=""))
    names = {name for name, _ in without.named_parameters()}
    added = {name for name, _ in InterestNetwork(config).named_parameters()} - names
    assert added == {"profile.weight", "profile.mean", "profile.variance", "profile.count"}
    assert without.profile_inputs(np.zeros((2, 0), np.float32)) is None


def events_of(users: np.ndarray, item: np.ndarray, profile: np.ndarray | None = None) -> EventBatch:
    kind, time = np.full(len(users), CLICK), np.arange(len(users)) * 60_000
    return EventBatch(users, item, kind, time, profile=profile)


def test_what_is_learnt_of_a_profile_predicts_a_new_user(config: ModelConfig, items: ItemVocabulary) -> None:
    random = np.random.default_rng(1)
    learner = OnlineLearner(config, LearnerConfig(lr=0.02, input_dropout=0, dropout=0, min_window_s=0), items)
    for _ in range(40):
        rows = new_user_states(config, 32)
        side = random.choice([-1, 1], 32)
        for user in range(32):
            store_profile(rows, user, np.array([40 + side[user], NAN, NAN, NAN], np.float32))
        rows["ring_item"][:, 0] = np.where(side > 0, 3, 7)
        rows["ring_type"][:, 0], rows["steps"] = CLICK, 1
        learner.observe(rows, np.ones(32, np.int64))
        learner.train_step(), learner.train_step()
    engine = Engine(config, items)
    engine.update(learner.weights())
    rows = new_user_states(config, 3)
    store_profile(rows, 0, np.array([41, NAN, NAN, NAN], np.float32))
    store_profile(rows, 1, np.array([39, NAN, NAN, NAN], np.float32))
    p = np.exp(engine.score(events_of(np.repeat(np.arange(3), 1), np.array([3, 3, 3])), rows).log_p)
    assert p[0] > 0.8
    assert p[1] < 0.1
    assert p[1] < p[2] < p[0], "of who has no profile nothing is known"


def test_states_do_not_depend_on_how_events_and_profiles_are_cut_into_batches(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    network = InterestNetwork(config)
    random = np.random.default_rng(2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("profile."):
                parameter.copy_(torch.from_numpy(random.uniform(0.5, 1.5, tuple(parameter.shape))))
    engine = Engine(config, items)
    engine.update(network.snapshot(1))
    item = random.integers(1, 30, 6)
    before, after = np.array([1, 2, 3, 4], np.float32), np.array([-1, NAN, 2, 0], np.float32)
    profile = np.stack([before] * 3 + [after] * 3)
    rows = new_user_states(config, 1)
    at_once = engine.step(events_of(np.zeros(6, np.int64), item, profile), rows, per="event")
    times = np.arange(6) * 60_000
    h = []
    for event in range(6):
        store_profile(rows, 0, profile[event])
        one = events_of(np.zeros(1, np.int64), item[event : event + 1])
        step = engine.step(replace(one, time_ms=times[event : event + 1]), rows)
        rows = step.rows
        h.append(rows["h"].copy())
        np.testing.assert_allclose(step.predictions.item_p[0], at_once.predictions.item_p[event], atol=2e-3)
    np.testing.assert_allclose(rows["h"], at_once.rows["h"], atol=2e-3)
    assert np.abs(h[3] - h[2]).max() > 0.01


def test_a_learner_goes_on_with_profiles_of_windows_to_replay(config: ModelConfig, items: ItemVocabulary) -> None:
    rows = new_user_states(config, 64)
    for user in range(64):
        store_profile(rows, user, np.array([user, NAN, NAN, 5], np.float32))
    rows["ring_item"][:, :2], rows["ring_type"][:, :2], rows["steps"] = 4, CLICK, 2
    learner = OnlineLearner(config, LearnerConfig(min_window_s=0), items)
    learner.observe(rows, np.full(64, 2))
    learner.train_step()
    state = learner.state()
    restored = OnlineLearner(config, LearnerConfig(min_window_s=0), items)
    restored.restore(state)
    again = restored.state()
    assert state.finite()
    assert state.learner.keys() == again.learner.keys()
    for name, tensor in state.learner.items():
        torch.testing.assert_close(again.learner[name], tensor)
