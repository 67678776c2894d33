"""Releases among processes that have read the item register to different ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.errors import UnknownItemError
from models.items.content import ItemContent
from models.network.initialisation import newcomer_rows
from models.releases.candidate import Candidate
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer
from tests.unit.models.random_weights import events
from tests.unit.models.releases.cluster import LEARNING, USERS
from tests.unit.models.releases.pair import CAPACITY, Pair

MakeBatch = Callable[..., EventBatch]


@pytest.fixture
def pair(config: ModelConfig) -> Pair:
    return Pair(config)


def rename(pair: Pair, time: int, count: int, readers: tuple[int, ...] = (0, 1)) -> None:
    """The items of so many slots give theirs to newcomers."""
    slots = range(1 + time * count % CAPACITY, 1 + time * count % CAPACITY + count)
    for slot in slots:
        index = pair.vocabularies[readers[0]].register.indices(np.array([slot]))
        pair.register(f"time{time}-{slot}", index.tolist(), readers)


@pytest.mark.parametrize("pair_events", [1, 100, 100_000])
def test_all_serve_the_same_while_items_are_renamed(
    config: ModelConfig, make_batch: MakeBatch, pair_events: int
) -> None:
    pair = Pair(config, pair_events)
    for time in range(12):
        pair.step(make_batch(40, USERS, items=CAPACITY, seed=time))
        if time % 3:
            rename(pair, time, 5)
        pair.step(make_batch(20, USERS, items=CAPACITY, seed=100 + time))
        pair.train()
        pair.worker.apply(pair.release(), {0: pair.read})
        pair.assert_served(pair.engine)
    newest = Release.of(pair.parts, pair.release().manifest)
    engine, follower = pair.follower(pair._vocabulary())
    follower.apply(newest, {0: pair.read})
    pair.assert_served(engine)
    restored = pair.late_trainer()
    restored.restore(newest)
    begun = pair.late_trainer()
    begun.begin(pair.trainer.checkpoint())
    for trainer in (restored, begun):  # what comes then does not begin anew again
        trainer.observe(pair.rows[:0], np.zeros(0, np.int64))
        pair.assert_served(trainer._engine)
        parts = trainer.release(full=True).parts()
        engine, follower = pair.follower(pair._vocabulary())
        follower.apply(Release.of(parts, trainer._manifest()), {0: pair.read})
        pair.assert_served(engine)


def test_a_trainer_that_goes_on_releases_the_slots_that_changed_hands_meanwhile(
    pair: Pair, make_batch: MakeBatch
) -> None:
    content = pair.vocabularies[0].content
    assert isinstance(content, ItemContent)
    assert content.encoder is not None
    content.review(np.array([5]), np.ones((1, content.encoder.width), np.float32))
    pair.step(make_batch(60, USERS, items=CAPACITY))
    pair.train()
    manifest = pair.release().manifest
    rename(pair, 1, 4)  # no trainer runs
    pair.trainer = pair.late_trainer()
    pair.trainer.restore(Release.of(pair.parts, manifest))
    pair.vocabularies[0] = pair.trainer._items
    complete = Release.of(pair.parts, pair.release().manifest)
    engine, follower = pair.follower(pair._vocabulary())
    follower.apply(complete, {0: pair.read})
    pair.assert_served(engine)
    assert 5 in complete.reviewed
    assert complete.reviews["count"][complete.reviewed == 5] == 0


def test_what_a_release_has_of_an_evicted_item_is_left_out(pair: Pair, make_batch: MakeBatch) -> None:
    """The worker has read the register further than the trainer had."""
    pair.step(make_batch(60, USERS, items=CAPACITY))
    pair.train()
    rename(pair, 1, 4, readers=(1,))
    before = pair.engine._model.item_table.clone()
    pair.step(events([1, 1, 1], [6, 5, 6]))  # new holders
    release = pair.release(full=True)
    assert release.manifest.items == CAPACITY
    pair.worker.apply(release, {0: 1})
    gone = np.array([5, 6, 7, 8])
    assert not np.allclose(pair.engine._model.item_table[5], before[5])
    counts = pair.engine.counts.rows(gone)
    np.testing.assert_allclose(counts["popularity.counts"][:, -1], [0.5, 1, 0, 0], rtol=1e-5)
    pairs = pair.engine.counts.pairs(np.arange(CAPACITY + 1))
    named = pairs["successors.items"][pairs["successors.counts"] > 0]
    assert set(named.tolist()) & set(gone.tolist()) == {5, 6}  # of the worker's own events since
    full = StreamTrainer(pair.config, LEARNING, vocabulary := pair._vocabulary())
    full.restore(release)
    assert not full._engine.counts.rows(gone)["popularity.counts"].any()
    assert vocabulary.register.has_evicted


def test_own_events_no_longer_count_for_an_evicted_item(pair: Pair) -> None:
    pair.step(events([0, 0, 0], [5, 9, 5]))
    rename(pair, 1, 4)
    pair.step(events([1], [10]))
    pair.worker.apply(pair.release(), {})
    counts = pair.engine.counts.rows(np.array([5, 9, 10]))
    np.testing.assert_allclose(counts["popularity.counts"][:, -1], [0, 0.5, 0.5], rtol=1e-5)
    assert not (pair.engine.counts.pairs(np.array([9]))["successors.items"] == 5).any()


def test_a_worker_that_is_behind_has_to_read_the_register_first(pair: Pair, make_batch: MakeBatch) -> None:
    pair.step(make_batch(40, USERS, items=CAPACITY))
    rename(pair, 1, 4, readers=(0,))
    pair.train()
    release = pair.release()
    assert release.manifest.items == CAPACITY + 4 > pair.vocabularies[1].register.count
    before = pair.engine.experts()
    with pytest.raises(UnknownItemError, match="34 is used, but 30"):
        pair.worker.apply(release, {0: 1})
    after = pair.engine.experts()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    pair.catch_up(1)
    pair.worker.apply(release, {0: 1})
    pair.assert_served(pair.engine)


def test_workers_know_when_items_were_seen_elsewhere(pair: Pair) -> None:
    pair.step(events([0], [5]))
    pair.train()
    pair.worker.apply(pair.release(), {0: 1})
    seen = pair.vocabularies[1].register.last_seen_ms(np.array([4, 5]))
    assert seen[0] == 1
    assert seen[1] == pair.vocabularies[0].register.last_seen_ms(np.array([5]))[0] > 1_700_000_000_000


def test_moments_of_an_older_checkpoint_are_not_those_of_new_holders(pair: Pair, make_batch: MakeBatch) -> None:
    pair.step(make_batch(60, USERS, items=CAPACITY))
    pair.train()
    saved = pair.trainer.checkpoint()
    rename(pair, 1, 4)
    release = pair.release(full=True)
    restored = StreamTrainer(pair.config, LEARNING, pair._vocabulary())
    restored.restore(release)
    restored.restore_learner(saved)
    moments = restored.checkpoint().learner["adam/item.exp_avg"]
    assert not moments[5:9].any()
    assert moments[9:20].any()
    begun = StreamTrainer(pair.config, LEARNING, pair._vocabulary())
    begun.begin(saved)
    assert not begun._engine.counts.rows(np.array([5, 6, 7, 8]))["popularity.counts"].any()


def test_a_candidate_knows_nothing_of_new_holders_but_what_is_counted(pair: Pair, make_batch: MakeBatch) -> None:
    pair.step(make_batch(60, USERS, items=CAPACITY))
    pair.train()
    older = pair.trainer.checkpoint()
    rename(pair, 1, 4)
    pair.step(events([0, 0, 0], [5, 6, 9]))
    pair.train()
    current = pair.trainer.checkpoint()
    items = pair._vocabulary()
    candidate = Candidate(pair.config, LEARNING, items, older, current)
    gone = np.array([5, 6, 7, 8])
    tensors, bias = candidate.weights().tensors["item"], candidate.weights().tensors["item_bias"]
    torch.testing.assert_close(tensors[gone], newcomer_rows(pair.config, items.register.indices(gone)))
    assert not bias[gone].any()
    assert torch.equal(tensors[9:], older.tensors["item"][9:])
    counts, expected = (of._engine.counts.rows(gone) for of in (candidate._trainer, pair.trainer))
    np.testing.assert_array_equal(counts["popularity.counts"], expected["popularity.counts"])
    assert counts["popularity.counts"][:2].all()


def test_reviews_of_an_evicted_item_are_gone_from_the_complete_release(config: ModelConfig) -> None:
    pair = Pair(config)
    content = pair.vocabularies[0].content
    assert isinstance(content, ItemContent)
    assert content.encoder is not None
    content.review(np.array([5]), np.ones((1, content.encoder.width), np.float32))
    pair.release()
    rename(pair, 1, 4)
    manifest = pair.release().manifest
    vocabulary = pair._vocabulary()
    StreamTrainer(config, LEARNING, vocabulary).restore(Release.of(pair.parts, manifest))
    assert vocabulary.content is not None
    assert vocabulary.content.state() == {}
