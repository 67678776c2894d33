"""Followers of a trainer: whatever order steps, releases and their reading take, each event counts once."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.new_events import NewEvents
from models.errors import WeightsError
from models.inference.engine import Engine
from models.inference.stream_counts import EXPERT_POPULARITY
from models.items.vocabulary import ItemVocabulary
from models.releases.manifest import Manifest
from models.releases.release import Release
from tests.unit.models.releases.cluster import Cluster, assert_same_counts

CONFIG = ModelConfig(embedding_dim=4, hidden_size=4, history_length=40, seed=3, device="cpu", text="none")
ITEMS = 200
WORKERS = 2

Act = tuple[Literal["commit", "observe", "train", "release", "apply"], int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["commit", "observe", "train", "release", "apply"]), st.integers(0, WORKERS - 1)),
    max_size=30,
)


class Interleaving:
    """A trainer, workers that observe and follow late, and the releases between them."""

    def __init__(self) -> None:
        items = ItemVocabulary(1000)
        for number in range(ITEMS):
            items.add(f"i{number}")
        self.cluster = Cluster(CONFIG, items, WORKERS, pair_events=25)
        self.releases: list[tuple[dict[str, bytes], Manifest, dict[int, int]]] = []
        self.applied = [0] * WORKERS
        self.observed = [0] * WORKERS
        self.random = np.random.default_rng(0)

    def act(self, act: str, worker: int) -> None:
        cluster = self.cluster
        if act == "commit":
            self.observe(worker)  # a worker observes each step before its next
            user = np.sort(self.random.integers(0, 9, 10))
            items = self.random.integers(0, ITEMS + 1, 10)
            cluster.commit(worker, EventBatch(user, items, np.ones(10, np.int64), np.arange(10) * 1000))
        elif act == "observe":
            self.observe(worker)
        elif act == "train":
            cluster.train(worker, cluster.read[worker] + 1)
        elif act == "release":
            release = cluster.trainer.release(full=False)
            self.releases.append((release.parts(), release.manifest, dict(enumerate(cluster.read))))
        else:
            self.apply(worker)

    def observe(self, worker: int) -> None:
        if self.observed[worker] < len(self.cluster.steps[worker]):
            self.cluster.observe(worker)
            self.observed[worker] += 1

    def apply(self, worker: int) -> None:
        """All releases since the last one, as one."""
        parts: dict[str, bytes] = {}
        for part, _, _ in self.releases[self.applied[worker] :]:
            parts |= part
        if self.applied[worker] < len(self.releases):
            _, manifest, covered = self.releases[-1]
            self.cluster.workers[worker].apply(Release.of(parts, manifest), covered)
            self.applied[worker] = len(self.releases)

    def reference(self, worker: int) -> Engine:
        """What is covered, and the worker's own events beyond."""
        engine = Engine(CONFIG, self.cluster.trainer._items, limits=self.cluster.trainer._engine.counts.limits)
        last = self.applied[worker]
        covered = self.releases[last - 1][2] if last else dict.fromkeys(range(WORKERS), 0)
        steps = [step for source, end in covered.items() for step in self.cluster.steps[source][:end]]
        for step in [*steps, *self.cluster.steps[worker][covered[worker] : self.observed[worker]]]:
            engine.counts.count(NewEvents.of(step.rows, step.new_events, engine.counts.limits))
        return engine


@given(ACTS)
@settings(max_examples=40, deadline=None)
def test_each_event_counts_once(acts: list[Act]) -> None:
    run = Interleaving()
    for act, worker in acts:
        run.act(act, worker)
    cluster = run.cluster
    for worker, engine in enumerate(cluster.engines):
        item = np.arange(1, ITEMS + 1)
        counts, expected = (of.counts.rows(item)[EXPERT_POPULARITY] for of in (engine, run.reference(worker)))
        np.testing.assert_allclose(counts[:, -1], expected[:, -1], rtol=1e-6, atol=1e-9)  # those without a half-life
    for worker in range(WORKERS):
        run.observe(worker)
        cluster.train(worker)
    run.act("commit", 0)
    run.observe(0)
    cluster.train(0)
    release = cluster.trainer.release(full=True)
    run.releases.append((release.parts(), release.manifest, dict(enumerate(cluster.read))))
    for worker, engine in enumerate(cluster.engines):
        run.apply(worker)
        assert cluster.workers[worker].own_events == 0
        assert_same_counts(engine, cluster.trainer._engine)


@given(ACTS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_newest_parts_restore_the_trainers_counts(acts: list[Act], full: bool) -> None:
    run = Interleaving()
    for act, worker in [*acts, ("commit", 0), ("train", 0)]:
        run.act(act, worker)
    trainer = run.cluster.trainer
    release = trainer.release(full)
    parts: dict[str, bytes] = {}
    for part, _, _ in run.releases:
        parts |= part
    successor = Cluster(CONFIG, trainer._items, 1).trainer
    successor.restore(Release.of(parts | release.parts(), release.manifest))
    assert successor._engine.counts.counted == trainer._engine.counts.counted
    assert_same_counts(successor._engine, trainer._engine, exact=True)


def test_other_experts_are_refused() -> None:
    """Counts with another number of successors per item."""
    run = Interleaving()
    for act in ("commit", "train", "release"):
        run.act(act, 0)
    parts, manifest, covered = run.releases[-1]
    other = Cluster(replace(CONFIG, max_successors=16), run.cluster.trainer._items, 1)
    with pytest.raises(WeightsError, match="max_successors"):
        other.workers[0].apply(Release.of(parts, manifest), covered)
