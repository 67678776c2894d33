"""Candidates: models of another training beside the one in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.config import ModelConfig
from models.data.events import EventBatch
from models.errors import WeightsError
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.releases.candidate import Candidate
from tests.unit.models.random_weights import noisy
from tests.unit.models.releases.cluster import LEARNING, Cluster, assert_same_counts

MakeBatch = Callable[..., EventBatch]
LINEAGE = 77


@pytest.fixture
def cluster(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> Cluster:
    """Whose trainer has learnt something."""
    cluster = Cluster(config, items)
    for seed in range(3):
        cluster.step(0, make_batch(60, 9, seed=seed))
        cluster.train(0)
        cluster.release()
    return cluster


def candidate_of(cluster: Cluster, weights: Weights) -> Candidate:
    trainer = cluster.trainer
    return Candidate(cluster.config, LEARNING, trainer._items, weights, trainer.checkpoint())


def useless(cluster: Cluster) -> Weights:
    return replace(noisy(cluster.config, scale=3.0), lineage=LINEAGE)


def try_out(cluster: Cluster, candidate: Candidate, batch: EventBatch) -> None:
    """A step, what trainer and candidate make of it, and a release."""
    cluster.step(0, batch)
    step = cluster.steps[0][-1]
    cluster.read[0] += 1
    observed = cluster.trainer.observe(step.rows, step.new_events)
    users = np.arange(len(step.rows), dtype=np.uint32)
    candidate.observe(step.rows, step.new_events, users, observed.sample)
    for _ in range(3):
        cluster.trainer.train_step()
        candidate.train_step()
    cluster.release()
    candidate.use_learnt()


def test_the_same_model_is_no_worse(cluster: Cluster, make_batch: MakeBatch) -> None:
    candidate = candidate_of(cluster, cluster.trainer.checkpoint())
    assert candidate.is_no_worse(1, 0.0) is None
    try_out(cluster, candidate, make_batch(60, 9, seed=7))
    assert 0 < candidate.scored <= 15  # a quarter, less items that neither could predict
    assert candidate.gain == pytest.approx(0, abs=1e-4)
    assert candidate.recall_at_10 == candidate.current_recall_at_10
    assert candidate.is_no_worse(candidate.scored, 0.001) is True
    assert candidate.is_no_worse(candidate.scored + 1, 0.001) is None


def test_useless_weights_are_worse_and_learn(cluster: Cluster, make_batch: MakeBatch) -> None:
    candidate = candidate_of(cluster, useless(cluster))
    before = candidate.version
    for seed in range(4):
        try_out(cluster, candidate, make_batch(60, 9, seed=10 + seed))
    assert candidate.gain < -0.02
    assert candidate.is_no_worse(40, 0.02) is False
    assert candidate.version.lineage == LINEAGE
    assert candidate.version.version > before.version
    assert_same_counts(candidate._trainer._engine, cluster.trainer._engine, gate=False)


def test_a_candidate_predicts_with_what_it_has_learnt(cluster: Cluster, make_batch: MakeBatch) -> None:
    candidate = candidate_of(cluster, useless(cluster))
    try_out(cluster, candidate, make_batch(60, 9, seed=10))
    assert candidate._trainer._engine.version == candidate.version
    assert candidate.version.version > 1


def test_an_adopted_candidate_is_released_as_a_whole(cluster: Cluster, make_batch: MakeBatch) -> None:
    trainer, candidate = cluster.trainer, candidate_of(cluster, useless(cluster))
    try_out(cluster, candidate, make_batch(60, 9, seed=7))
    learnt = candidate.weights()
    trainer.adopt(learnt)
    release = cluster.release()
    assert release.manifest.model_version == (LINEAGE, learnt.version)
    np.testing.assert_array_equal(release.item, np.arange(31))
    np.testing.assert_allclose(release.embeddings["weight"], learnt.tensors["item"][:31].numpy(), rtol=1e-3)
    batch, rows = make_batch(30, 9, seed=8), cluster.rows[1]
    served, expected = (engine.step(batch, rows).predictions for engine in (cluster.engines[1], trainer._engine))
    np.testing.assert_allclose(served.item_p, expected.item_p, rtol=1e-4, atol=1e-6)
    assert_same_counts(cluster.engines[1], trainer._engine)


def test_weights_of_another_network_are_no_candidate(cluster: Cluster, config: ModelConfig) -> None:
    with pytest.raises(WeightsError, match="other settings"):
        candidate_of(cluster, noisy(replace(cluster.config, hidden_size=config.hidden_size + 4)))
