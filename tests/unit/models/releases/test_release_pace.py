"""What a release has, and what waits for the next one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from models.releases import stream_trainer
from models.releases.waiting_blocks import WaitingBlocks
from tests.unit.models.releases.cluster import Cluster, assert_same_counts, many_items

MakeBatch = Callable[..., EventBatch]


def test_pairs_are_released_more_rarely_than_all_else(config: ModelConfig, make_batch: MakeBatch) -> None:
    cluster = Cluster(config, many_items(), pair_events=100)
    cluster.step(0, make_batch(240, 9, items=200))
    cluster.step(0, make_batch(240, 9, items=200, seed=1))
    cluster.train(0)
    assert {"pairs/0", "pairs/1"} < cluster.release().parts().keys()
    cluster.step(0, make_batch(40, 9, seed=9))
    cluster.train(0)
    pairs = cluster.engines[1].counts.pairs(np.arange(1, 201))
    release = cluster.release()
    assert release.parts().keys() == {"shared", "gate", "items/0", "items/1", "counts/0", "unpaired"}
    assert sum(map(len, release.unpaired)) == 40
    for name, array in cluster.engines[1].counts.pairs(np.arange(1, 201)).items():
        np.testing.assert_array_equal(array, pairs[name])
    for seed in (10, 11):
        cluster.step(0, make_batch(40, 9, seed=seed))
    cluster.train(0)
    release = cluster.release()
    assert "pairs/0" in release.parts()
    assert not release.unpaired
    assert_same_counts(cluster.engines[1], cluster.trainer._engine)
    assert len(cluster.release(full=True).parts()) == 3 + 3 * 2


def test_pairs_of_many_items_are_released_more_rarely(
    config: ModelConfig, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_trainer, "_FEW_ITEMS", 40)
    cluster = Cluster(config, many_items(), pair_events=5)
    for seed, has_pairs in ((0, False), (1, True), (2, False)):
        cluster.step(0, make_batch(6, 9, items=200, seed=seed))  # of 160 items, ten events are awaited
        cluster.train(0)
        assert any(part.startswith("pairs/") for part in cluster.release().parts()) == has_pairs


def test_events_without_an_item_have_an_embedding_that_is_released(cluster: Cluster, make_batch: MakeBatch) -> None:
    for seed in range(3):
        cluster.step(0, make_batch(60, 9, items=3, seed=seed))
    cluster.train(0)
    before = cluster.engines[1]._model.item_table[0].clone()
    cluster.release()
    learnt = cluster.trainer._learner.weights().tensors["item"][0]
    assert not torch.equal(learnt, before)
    torch.testing.assert_close(cluster.engines[1]._model.item_table[0], learnt.half().float())


def test_embeddings_beyond_what_a_release_may_have_come_with_the_next_ones(
    config: ModelConfig, make_batch: MakeBatch
) -> None:
    cluster = Cluster(config, many_items(), pair_events=10_000)
    cluster.trainer._waiting = WaitingBlocks(max_blocks=1)
    cluster.release(full=True)
    cluster.step(0, make_batch(60, 9, items=200))
    cluster.train(0)
    first, second, third = (cluster.release() for _ in range(3))
    assert sorted([first.item[0], second.item[0]]) == [0, 128]
    assert (len(third.item), third.manifest.version) == (0, first.manifest.version)
    learnt = cluster.trainer._learner.weights().tensors["item"]
    for engine in cluster.engines:
        torch.testing.assert_close(engine._model.item_table[:201], learnt[:201].half().float())


def test_the_embedding_of_an_item_that_took_a_slot_over_waits_for_nothing(
    config: ModelConfig, make_batch: MakeBatch
) -> None:
    items = ItemVocabulary(200)
    for number in range(200):
        items.add(f"i{number}")
    cluster = Cluster(config, items, pair_events=10_000)
    cluster.trainer._waiting = WaitingBlocks(max_blocks=1)
    cluster.release(full=True)
    for _ in range(3):
        cluster.step(0, make_batch(60, 9, items=100))  # the first block has more changes
        cluster.train(0)
    items.apply("newcomer", Registration(200, [150], time_ms=1))
    release = cluster.release()
    assert items.slot("newcomer") == 150
    assert release.item[0] == 128
    row = release.item.tolist().index(150)
    learnt = cluster.trainer._learner.weights().tensors["item"][150]
    np.testing.assert_array_equal(release.embeddings["weight"][row], learnt.half())
