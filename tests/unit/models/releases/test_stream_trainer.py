"""A trainer that goes on from releases and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoint
from models.config import ModelConfig
from models.data.events import EventBatch
from models.errors import WeightsError
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.releases.manifest import Manifest
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer
from tests.unit.models.releases.cluster import LEARNING, Cluster, assert_same_counts

MakeBatch = Callable[..., EventBatch]


@pytest.fixture
def items(config: ModelConfig) -> ItemVocabulary:
    items = ItemVocabulary(1000, ItemContent(config))
    for number in range(30):
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 4}"])
        items.add(f"i{number}")
    return items


@pytest.fixture
def cluster(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> Cluster:
    """Whose trainer has learnt something."""
    cluster = Cluster(config, items)
    for seed in range(4):
        learn(cluster, make_batch(60, 9, seed=seed))
    return cluster


def learn(cluster: Cluster, batch: EventBatch) -> None:
    cluster.step(0, batch)
    cluster.train(0)


def saved(folder: Path, cluster: Cluster) -> Weights:
    """The trainer's checkpoint, as a file gives it back."""
    checkpoint.save(folder, cluster.trainer.checkpoint(), cluster.config, cluster.trainer._items)
    loaded = checkpoint.load(folder, cluster.config, cluster.trainer._items)
    assert loaded is not None
    return loaded


def successor(cluster: Cluster) -> StreamTrainer:
    return StreamTrainer(cluster.config, LEARNING, cluster.trainer._items)


def test_a_trainer_and_a_worker_begin_from_a_trainers_checkpoint(
    cluster: Cluster, tmp_path: Path, make_batch: MakeBatch
) -> None:
    weights, trainer = saved(tmp_path, cluster), successor(cluster)
    trainer.begin(weights)
    worker = Engine(cluster.config, cluster.trainer._items)
    worker.update(weights)
    worker.restore(weights.experts)
    cluster.trainer.release(full=True)  # from now on it scores with the newest weights
    batch, rows = make_batch(30, 9, seed=7), cluster.rows[0]
    expected = cluster.trainer._engine.step(batch, rows).predictions
    for engine in (trainer._engine, worker):
        assert_same_counts(engine, cluster.trainer._engine)
        predictions = engine.step(batch, rows).predictions
        assert predictions.model_version == expected.model_version
        np.testing.assert_allclose(predictions.item_p, expected.item_p, rtol=1e-4, atol=1e-6)
    learner, before = trainer._learner.state().learner, cluster.trainer._learner.state().learner
    assert learner.keys() == before.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(learner[name], tensor)


def test_a_trainer_goes_on_from_a_release_and_an_older_checkpoint(
    cluster: Cluster, tmp_path: Path, make_batch: MakeBatch
) -> None:
    weights = saved(tmp_path, cluster)
    learn(cluster, make_batch(60, 9, seed=8))
    release, before = cluster.trainer.release(full=True), cluster.trainer._learner.state()
    trainer = successor(cluster)
    trainer.restore(Release.of(release.parts(), release.manifest))
    trainer.restore_learner(weights)
    after = trainer._learner.state()
    assert (after.version, after.lr_step, after.lineage) == (before.version, before.lr_step, before.lineage)
    assert after.version > weights.version
    for name, tensor in before.tensors.items():  # items, and the average of all else
        torch.testing.assert_close(after.tensors[name], tensor, rtol=1e-3, atol=5e-4)  # released in half precision
    assert after.learner.keys() == before.learner.keys()
    for name, tensor in weights.learner.items():
        restored = after.learner[name]
        if name.startswith("raw/"):
            torch.testing.assert_close(
                restored, before.tensors[name.removeprefix("raw/")]
            )  # the average of later steps
            continue
        torch.testing.assert_close(restored[: len(tensor)] if tensor.dim() else restored, tensor)
    assert trainer.release(full=False).parts().keys() == {"shared", "gate", "unpaired"}
    step = cluster.steps[0][-1]
    trainer.observe(step.rows, step.new_events)
    assert trainer.train_step() is not None


def test_a_release_and_a_checkpoint_of_the_same_step_are_the_whole_learner(cluster: Cluster, tmp_path: Path) -> None:
    release, weights, before = (
        cluster.trainer.release(full=True),
        saved(tmp_path, cluster),
        cluster.trainer.checkpoint(),
    )
    trainer = successor(cluster)
    trainer.restore(Release.of(release.parts(), release.manifest))
    trainer.restore_learner(weights)
    after = trainer.checkpoint()
    for name, tensor in weights.learner.items():
        restored = after.learner[name]
        torch.testing.assert_close(restored[: len(tensor)] if tensor.dim() else restored, tensor)
    assert any(
        name.startswith("raw/") and not torch.equal(after.learner[name], after.tensors[name[4:]])
        for name in after.learner
    )
    assert len(after.learner["replay/length"]) == len(before.learner["replay/length"]) > 0


def test_a_checkpoint_of_other_weights_is_refused(cluster: Cluster, make_batch: MakeBatch) -> None:
    release, trainer = cluster.trainer.release(full=True), successor(cluster)
    trainer.restore(release)
    learn(cluster, make_batch(60, 9, seed=8))
    newer = cluster.trainer.checkpoint()
    before = trainer._learner.state()
    for weights in (newer, replace(newer, version=1, lineage=7)):
        with pytest.raises(WeightsError, match="no optimizer moments"):
            trainer.restore_learner(weights)
    after = trainer._learner.state()
    for name, tensor in before.learner.items():
        torch.testing.assert_close(after.learner[name], tensor)
    assert not [name for name in after.learner if name.startswith("adam/")]


def test_a_manifest_has_the_quality_since_the_release_before(cluster: Cluster, make_batch: MakeBatch) -> None:
    cluster.trainer.release(full=False)
    samples = []
    for seed in (5, 6):
        cluster.step(0, make_batch(60, 9, seed=seed))
        step = cluster.steps[0][-1]
        samples.append(cluster.trainer.observe(step.rows, step.new_events).sample)
    rank, log_p, popular = (
        np.concatenate([getattr(sample, name) for sample in samples]) for name in ("rank", "log_p", "popular_rank")
    )
    manifest = Manifest.decode(cluster.trainer.release(full=False).manifest.encode())
    assert manifest.items == 30
    assert manifest.quality == {
        "scored": len(rank),
        "recall_at_10": np.mean(rank <= 10),
        "mrr": np.mean(1 / rank),
        "log_loss": -np.mean(log_p[np.isfinite(log_p)]),
        "popular_recall_at_10": np.mean(popular <= 10),
    }
    nothing = Manifest.decode(cluster.trainer.release(full=False).manifest.encode()).quality
    assert nothing == dict.fromkeys(manifest.quality) | {"scored": 0}


def test_events_that_a_row_does_not_hold_are_missed(cluster: Cluster, make_batch: MakeBatch) -> None:
    cluster.commit(0, make_batch(100, 2, seed=5))
    step = cluster.steps[0][-1]
    observed = cluster.trainer.observe(step.rows, step.new_events)
    assert observed.events + observed.missed == 100
    assert observed.missed == (step.new_events - cluster.config.history_length).clip(min=0).sum() > 0
    counted = cluster.trainer._engine.counts.counted.events
    assert counted == sum(int(of.new_events.sum()) for of in cluster.steps[0]) - observed.missed
