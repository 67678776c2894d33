"""Workers and a trainer to which something happens again and again, as a scorer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bench.quality.datasets import Dataset
from bench.quality.scorer import TOP_K
from bench.scale_out.replay.partitioned_events import PartitionedEvents
from bench.scale_out.replay.shared_scorer import SharedScorer
from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.data.influence import InfluenceLimits
from models.inference.engine import Engine
from models.network.weights import Weights, rolled_back_lineage
from models.releases.followed_engine import FollowedEngine
from models.releases.manifest import Manifest
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer

_CHECKPOINT_AGE: Final = 2
"""Releases since the checkpoint that is gone on from, or back to"""


class DisturbedScorer(SharedScorer):
    """Each `every` events the same happens: one of KINDS, or nothing."""

    KINDS: Final = (
        "nothing",
        "rebalance",
        "workers restart",
        "trainer restarts",
        "trainer restarts without checkpoint",
        "new lineage",
        "rollback",
    )
    """Users are dealt out anew; workers, or the trainer, start from the releases, the trainer with an older checkpoint
    or with none; all states are recomputed, because weights have another lineage; weights go back to a checkpoint"""

    def __init__(
        self, dataset: Dataset, model: ModelConfig, learner: LearnerConfig, kind: str, workers: int, every: int
    ) -> None:
        self._model, self._learner = model, learner
        self._parts: dict[str, bytes] = {}  # of all releases
        self._checkpoints: deque[Weights] = deque(maxlen=_CHECKPOINT_AGE + 1)
        super().__init__(dataset, model, learner, workers)
        self.name = kind
        self._every = every
        self._times = 0
        self._disturb: Callable[[], None] = {
            "nothing": lambda: None,
            "rebalance": self._rebalance,
            "workers restart": self._restart_workers,
            "trainer restarts": lambda: self._restart_trainer(self._checkpoints[0]),
            "trainer restarts without checkpoint": lambda: self._restart_trainer(None),
            "new lineage": lambda: self._adopt(self._trainer.checkpoint()),
            "rollback": lambda: self._adopt(self._checkpoints[0]),
        }[kind]

    def step(self, events: EventLog, learn: bool) -> None:
        """As without disturbances; then perhaps one."""
        super().step(events, learn)
        # Right after a release: what came since, a trainer would read again.
        if learn and not self._since_release and self._events // self._every > self._times:
            self._times += 1
            self._disturb()

    def _release(self) -> None:
        super()._release()
        self._checkpoints.append(self._trainer.checkpoint())

    def _keep(self, parts: Mapping[str, bytes], manifest: Manifest) -> None:
        self._parts |= parts
        self._manifest = manifest

    def _rebalance(self) -> None:
        self._partitions = PartitionedEvents(self._dataset.users, len(self._workers), self._model.seed + self._times)

    def _restart_workers(self) -> None:
        limits, covered = InfluenceLimits.of(self._learner), dict.fromkeys(range(len(self._workers)), self._position)
        for worker in range(len(self._workers)):
            engine = Engine(self._model, self._items, top_items=TOP_K, limits=limits)
            self._engines[worker], self._workers[worker] = engine, FollowedEngine(engine)
            self._workers[worker].apply(Release.of(self._parts, self._manifest), covered)

    def _restart_trainer(self, checkpoint: Weights | None) -> None:
        self._trainer = StreamTrainer(self._model, self._learner, self._items)
        self._trainer.restore(Release.of(self._parts, self._manifest))
        if checkpoint is not None:
            self._trainer.restore_learner(checkpoint)

    def _adopt(self, weights: Weights) -> None:
        lineage, version = self._trainer.version
        self._trainer.adopt(replace(weights, lineage=rolled_back_lineage(weights, lineage, version)))
        self._release()
