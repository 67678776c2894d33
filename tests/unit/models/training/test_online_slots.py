"""What an online learner knows of a slot when another item takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from models.network.initialisation import newcomer_rows
from models.training.online import OnlineLearner
from tests.unit.models.random_weights import events

CAPACITY = 30
MOMENTS = {"adam": ("exp_avg", "exp_avg_sq"), "adagrad": ("sum",)}


def take_over(items: ItemVocabulary, index: int) -> None:
    items.capacity = CAPACITY
    items.apply("new", Registration(CAPACITY, [index]))


def user_rows(config: ModelConfig, items: ItemVocabulary, item: list[int]) -> NDArray[np.void]:
    return Engine(config, items).step(events([0] * len(item), item), new_user_states(config, 1)).rows


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_the_new_holder_begins_anew_and_nobody_else(
    config: ModelConfig, items: ItemVocabulary, optimizer: Literal["adam", "adagrad"]
) -> None:
    learner = OnlineLearner(config, LearnerConfig(optimizer=optimizer), items)
    rows = user_rows(config, items, [7, 8, 9])
    learner.observe(rows, np.array([3]))
    learner.train_step()
    before = learner.state()
    learner.take_changed()
    take_over(items, 7)
    learner.observe(rows[:0], np.zeros(0, np.int64))
    assert learner.weights().registered == CAPACITY
    learner.follow_register()
    after = learner.state()
    assert after.registered == CAPACITY + 1
    torch.testing.assert_close(after.tensors["item"][7], newcomer_rows(config, np.array([CAPACITY + 1]))[0])
    assert after.tensors["item_bias"][7] == 0
    kept = np.delete(np.arange(CAPACITY + 1), 7)
    for name in ("item", "item_bias"):
        assert torch.equal(after.tensors[name][kept], before.tensors[name][kept])
        for moment in MOMENTS[optimizer]:
            key = f"{optimizer}/{name}.{moment}"
            assert before.learner[key][7].any()
            assert not after.learner[key][7].any()
            assert torch.equal(after.learner[key][kept], before.learner[key][kept])
    assert learner.take_changed().tolist() == [7]


def test_windows_that_wait_or_are_replayed_no_longer_name_the_item(config: ModelConfig, items: ItemVocabulary) -> None:
    learner = OnlineLearner(config, LearnerConfig(events_per_step=4), items)
    learner.observe(user_rows(config, items, [7, 8, 9, 7]), np.array([4]))
    learner.train_step()
    assert learner._replay_buffer._item_counts[7] > 0
    learner.observe(user_rows(config, items, [3, 7]), np.array([2]))
    take_over(items, 7)
    learner.observe(user_rows(config, items, [7, 5]), np.array([2]))  # of the new holder
    waiting = [block.item[:, :2].tolist() for block in learner._queue._blocks]
    assert waiting == [[[3, 0]], [[7, 5]]]
    learner._follow(items.register.count)
    buffer = learner._replay_buffer
    assert sorted(set(buffer._windows.item.ravel().tolist())) == [0, 8, 9]
    assert buffer._item_counts[[7, 8]].tolist() == [0, 1]
    assert learner.train_step() is not None


def test_windows_do_not_name_an_evicted_item_after_weights_were_restored(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    learner = OnlineLearner(config, LearnerConfig(events_per_step=4), items)
    learner.observe(user_rows(config, items, [7, 8, 9, 7]), np.array([4]))
    learner.train_step()
    learner.observe(user_rows(config, items, [3, 7]), np.array([2]))
    saved = learner.state()
    take_over(items, 7)
    learner.restore(replace(saved, learner={}))
    assert [block.item[:, :2].tolist() for block in learner._queue._blocks] == [[[3, 0]]]
    assert 7 not in learner._replay_buffer._windows.item
    learner.restore(saved)
    assert {8, 9} <= set(learner._replay_buffer._windows.item.ravel().tolist()) <= {0, 8, 9}


def test_a_restored_learner_begins_anew_where_the_holder_has_changed_since(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    learner.observe(user_rows(config, items, [7, 8, 9]), np.array([3]))
    learner.train_step()
    saved = learner.state()
    take_over(items, 7)
    resumed = OnlineLearner(config, LearnerConfig(), items)
    resumed.restore(saved)
    state = resumed.state()
    assert state.registered == CAPACITY + 1
    torch.testing.assert_close(state.tensors["item"][7], newcomer_rows(config, np.array([CAPACITY + 1]))[0])
    assert not state.learner["adam/item.exp_avg"][7].any()
    assert torch.equal(state.tensors["item"][8], saved.tensors["item"][8])
    assert torch.equal(state.learner["adam/item.exp_avg"][8], saved.learner["adam/item.exp_avg"][8])


def test_weights_that_learning_goes_back_to_know_nothing_of_the_new_holder(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    learner.observe(user_rows(config, items, [7, 8, 9]), np.array([3]))
    learner.train_step()  # keeps a copy from before it
    take_over(items, 7)
    learner.observe(user_rows(config, items, [8]), np.array([1]))
    learner.follow_register()
    for _ in range(20):
        learner._refuse()
    torch.testing.assert_close(learner.state().tensors["item"][7], newcomer_rows(config, np.array([CAPACITY + 1]))[0])


def test_without_evictions_weights_are_of_all_registrations(config: ModelConfig, items: ItemVocabulary) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    items.add("one more")
    before = learner.weights()
    learner.observe(user_rows(config, items, [31]), np.array([1]))
    learner.follow_register()
    assert (before.registered, learner.weights().registered) == (30, 31)
    assert torch.equal(before.tensors["item"], learner.weights().tensors["item"])
    assert replace(before, registered=31).lineage == learner.lineage
