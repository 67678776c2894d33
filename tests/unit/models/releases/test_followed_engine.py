"""Engines that follow a trainer: what they serve is what the trainer learnt and counted, and their own events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.new_events import NewEvents
from models.errors import WeightsError
from models.experts.popularity_counts import HALF_LIVES
from models.inference.engine import Engine
from models.inference.stream_counts import EXPERT_POPULARITY, POPULARITY
from models.items.vocabulary import ItemVocabulary
from models.releases.followed_engine import FollowedEngine
from models.releases.release import Release
from tests.unit.models.releases.cluster import LEARNING, Cluster, assert_same_counts, many_items

MakeBatch = Callable[..., EventBatch]


def test_workers_serve_what_the_trainer_serves(cluster: Cluster, make_batch: MakeBatch) -> None:
    for seed in range(4):
        for worker in (0, 1):
            cluster.step(worker, make_batch(40, 9, seed=10 * worker + seed))
            cluster.train(worker)
        release = cluster.release()
        assert release.manifest.model_version == cluster.engines[0].version
        assert release.manifest.version > 0
    batch, rows = make_batch(30, 9, seed=77), cluster.rows[0]
    expected = cluster.trainer._engine.step(batch, rows).predictions
    for engine, follower in zip(cluster.engines, cluster.workers, strict=True):
        assert follower.own_events == 0
        assert_same_counts(engine, cluster.trainer._engine)
        np.testing.assert_allclose(engine.step(batch, rows).predictions.item_p, expected.item_p, rtol=1e-4, atol=1e-6)


def test_a_workers_counts_are_those_of_all_and_its_own_beyond(cluster: Cluster, make_batch: MakeBatch) -> None:
    """Events that a release covers are dropped, those that it does not cover stay, whatever blocks it has."""
    for seed in range(6):
        for worker in (0, 1):
            cluster.step(worker, make_batch(40, 9, seed=10 * worker + seed))
    cluster.train(0, 3)
    cluster.train(1, 5)
    cluster.release()
    assert [worker.own_events for worker in cluster.workers] == [3 * 40, 40]
    cluster.train(0, 4)
    cluster.release()
    assert [worker.own_events for worker in cluster.workers] == [2 * 40, 40]
    # Counted anew in the trainer's order, and then the worker's own.
    counts = cluster.engines[0].counts
    reference = Engine(cluster.config, cluster.trainer._items)
    for worker, low, high in ((0, 0, 3), (1, 0, 5), (0, 3, 4), (0, 4, 6)):
        for step in cluster.steps[worker][low:high]:
            reference.counts.count(NewEvents.of(step.rows, step.new_events, counts.limits))
    for name in ("successors.totals", "predecessors.totals", "popularity.counts", POPULARITY):
        array, expected = counts.state()[name], reference.counts.state()[name]
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-9, err_msg=name)


def test_events_are_counted_once_where_a_release_has_them_before_the_worker(
    cluster: Cluster, make_batch: MakeBatch
) -> None:
    """The trainer reads a step as soon as it is committed; the worker may hear of its release first."""
    cluster.step(0, make_batch(40, 9, seed=1))
    cluster.commit(0, make_batch(40, 9, seed=2))
    cluster.train(0)
    cluster.release()
    cluster.observe(0)
    assert cluster.workers[0].own_events == 0
    assert_same_counts(cluster.engines[0], cluster.trainer._engine)


def test_a_step_of_several_sources_is_covered_by_source(cluster: Cluster, make_batch: MakeBatch) -> None:
    cluster.commit(0, make_batch(60, 9, seed=1))
    (step,), worker = cluster.steps[0], cluster.workers[0]
    source = np.arange(len(step.rows)) % 3
    worker.observe(step, source, {0: 5, 1: 7, 2: 9})
    events = [int(step.new_events[source == number].sum()) for number in range(3)]
    assert worker.own_events == sum(events) == 60
    cluster.trainer.observe(step.rows[source == 1], step.new_events[source == 1])
    worker.apply(cluster.trainer.release(full=False), {0: 4, 1: 7, 3: 11})
    assert worker.own_events == events[0] + events[2]
    cluster.trainer.observe(step.rows[source != 1], step.new_events[source != 1])
    worker.apply(cluster.trainer.release(full=False), {0: 5, 1: 7, 2: 9, 3: 11})
    assert worker.own_events == 0
    assert_same_counts(cluster.engines[0], cluster.trainer._engine)


def test_old_own_events_are_forgotten_until_a_release_has_them(cluster: Cluster, make_batch: MakeBatch) -> None:
    follower = cluster.workers[0] = FollowedEngine(cluster.engines[0], max_own_events=100)
    for seed in range(5):
        cluster.step(0, make_batch(40, 9, seed=seed))
    assert follower.own_events == 80
    cluster.train(0, 1)
    cluster.release()
    assert follower.own_events == 80
    counts = cluster.engines[0].counts
    reference = Engine(cluster.config, cluster.trainer._items)
    for number in (0, 3, 4):
        step = cluster.steps[0][number]
        reference.counts.count(NewEvents.of(step.rows, step.new_events, counts.limits))
    for name in ("successors.totals", "predecessors.totals"):
        np.testing.assert_allclose(counts.state()[name], reference.counts.state()[name], rtol=1e-4, err_msg=name)
    cluster.train(0)
    cluster.release()
    assert follower.own_events == 0
    assert_same_counts(cluster.engines[0], cluster.trainer._engine)


@pytest.mark.parametrize("experts", [True, False])
def test_events_without_influence_are_left_out_alike(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch, experts: bool
) -> None:
    """Counts age by the events that are counted, in trainer and workers."""
    learning = replace(LEARNING, min_window_s=1e9, max_repeats=2)
    cluster = Cluster(replace(config, experts=experts), items, learning=learning)
    for seed in range(5):
        for worker in (0, 1):
            cluster.step(worker, make_batch(200, 9, seed=10 * worker + seed))
        cluster.train(0)
        cluster.release()
    cluster.train(1)
    manifest = cluster.release(full=True).manifest
    assert 0 < manifest.counted_with_item < manifest.counted_events < 5 * 2 * 200
    for engine in cluster.engines:
        assert_same_counts(engine, cluster.trainer._engine)
        assert engine.counts.counted == cluster.trainer._engine.counts.counted


def test_counts_age_by_a_trainer_that_began_anew(cluster: Cluster, make_batch: MakeBatch) -> None:
    """As where the topic of releases was deleted while no trainer ran."""
    for seed in range(3):
        cluster.step(0, make_batch(60, 9, seed=seed))
    cluster.train(0)
    cluster.release()
    anew = Cluster(cluster.config, cluster.trainer._items, 1).trainer
    for seed in (3, 4):
        cluster.commit(1, make_batch(60, 9, items=5, seed=seed))
        step = cluster.steps[1][-1]
        anew.observe(step.rows, step.new_events)
        before = cluster.engines[0].counts.rows(np.array([20]))[EXPERT_POPULARITY][0]
        cluster.workers[0].apply(anew.release(full=False), {1: len(cluster.steps[1])})
        assert cluster.engines[0].counts.counted == anew._engine.counts.counted
    after = cluster.engines[0].counts.rows(np.array([20]))[EXPERT_POPULARITY][0]
    np.testing.assert_allclose(after, before * np.exp2(-60 / np.array(HALF_LIVES)))


def test_a_worker_that_begins_late_has_the_complete_model(cluster: Cluster, make_batch: MakeBatch) -> None:
    parts: dict[str, bytes] = {}
    for seed in range(3):
        cluster.step(0, make_batch(60, 9, seed=seed))
        cluster.train(0)
        release = cluster.trainer.release(full=False)
        parts |= release.parts()
    late = Engine(cluster.config, cluster.trainer._items)
    late.step(make_batch(1, 9), cluster.rows[0])
    FollowedEngine(late).apply(Release.of(parts, release.manifest), {0: 3})
    assert_same_counts(late, cluster.trainer._engine)
    batch = make_batch(30, 9, seed=77)
    expected = cluster.trainer._engine.step(batch, cluster.rows[0]).predictions
    np.testing.assert_allclose(
        late.step(batch, cluster.rows[0]).predictions.item_p, expected.item_p, rtol=1e-4, atol=1e-6
    )


def test_a_trainer_goes_on_from_the_newest_parts_of_all_releases(config: ModelConfig, make_batch: MakeBatch) -> None:
    """Counts and weights are those of before; what is learnt from then on counts on top."""
    cluster, parts = Cluster(config, many_items()), dict[str, bytes]()
    for seed, items in enumerate((200, 200, 90)):  # blocks of different age, and pairs that are in no block yet
        cluster.step(0, make_batch(300 if seed == 0 else 14, 9, items=items, seed=seed))
        cluster.train(0)
        release = cluster.trainer.release(full=False)
        parts |= release.parts()
    assert release.unpaired
    successor = Cluster(config, cluster.trainer._items)
    successor.trainer.restore(Release.of(parts, release.manifest))
    assert_same_counts(successor.trainer._engine, cluster.trainer._engine)
    batch, rows = make_batch(30, 9, seed=77), cluster.rows[0]
    served = [trainer._engine.step(batch, rows).predictions for trainer in (cluster.trainer, successor.trainer)]
    np.testing.assert_allclose(served[1].item_p, served[0].item_p, rtol=1e-4, atol=1e-6)
    assert successor.trainer.release(full=False).parts().keys() == {"shared", "gate", "unpaired"}
    cluster.step(0, make_batch(60, 9, seed=3))
    for trainer in (cluster.trainer, successor.trainer):
        step = cluster.steps[0][-1]
        trainer.observe(step.rows, step.new_events)
    assert_same_counts(successor.trainer._engine, cluster.trainer._engine, gate=False)
    assert successor.trainer.train_step() is not None
    assert successor.trainer.release(full=False).manifest.version == release.manifest.version + 1


def test_weights_of_another_network_are_refused_and_nothing_changes(
    cluster: Cluster, config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    other = Cluster(replace(config, hidden_size=config.hidden_size + 4), items)
    other.step(0, make_batch(40, 9))
    other.train(0)
    release = other.trainer.release(full=False)
    batch, rows = make_batch(30, 9, seed=7), cluster.rows[0]
    before = cluster.engines[0].step(batch, rows).predictions
    with pytest.raises(WeightsError, match="another network"):
        cluster.workers[0].apply(release, {})
    np.testing.assert_array_equal(cluster.engines[0].step(batch, rows).predictions.item_p, before.item_p)
