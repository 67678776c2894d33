"""The trial of a candidate: published checkpoints are tried beside the model in use, and promoted or refused.

What the commands ask for, a promotion at once or a rollback, is found here too.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models import checkpoint
from models.errors import CheckpointError, WeightsError
from models.items.vocabulary import ItemVocabulary
from models.metrics.prequential_sample import PrequentialSample
from models.network.weights import Weights, rolled_back_lineage
from models.releases.candidate import Candidate
from models.releases.stream_trainer import StreamTrainer
from streams.errors import StoreError
from streams.settings.settings import Settings
from streams.trainer.checkpoint_store import CANDIDATES, CheckpointStore, Request

log = logging.getLogger(__name__)


class Trial:
    """For one thread, that of the trainer in use."""

    def __init__(self, settings: Settings, store: CheckpointStore, items: ItemVocabulary) -> None:
        self._settings = settings
        self._store = store
        self._items = items
        self._folder = settings.worker.data_dir / "candidates"
        self._candidate: Candidate | None = None
        self._name = ""
        self._ended: set[str] = set()  # candidates that could not be deleted
        self.summary: dict[str, str | int | float] = {}
        """Of the candidate, or of the last one: for the manifest of a release"""

    def look(self, trainer: StreamTrainer) -> None:
        """Does what was asked for, and begins with a candidate that is new. Raises StoreError."""
        for request in self._store.take_requests():
            self._obey(request, trainer)
        if self._candidate is None:
            names = [name for name in self._store.manifests(CANDIDATES) if name not in self._ended]
            if names:
                self._begin(names[0], trainer)

    def observe(
        self,
        rows: NDArray[np.void],
        new_events: NDArray[np.int64],
        users: NDArray[np.uint32],
        sample: PrequentialSample | None,
        trainer: StreamTrainer,
    ) -> None:
        """Tries the candidate on what the trainer in use has observed, and decides once enough was scored."""
        if self._candidate is None:
            return
        self._candidate.observe(rows, new_events, users, sample)
        section = self._settings.trainer
        no_worse = self._candidate.is_no_worse(section.candidate_events, section.candidate_margin)
        if no_worse is None:
            self._summarize("on trial")
        elif no_worse:
            self._promote(trainer)
        else:
            self._end("refused")

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Also in the candidate."""
        if self._candidate is not None:
            self._candidate.forget_users(users)

    def train_step(self, partial: bool) -> None:
        """An optimizer step of the candidate."""
        if self._candidate is not None:
            self._candidate.train_step(partial)

    def use_learnt(self) -> None:
        """Let the candidate predict with what it has learnt: at each release, as the trainer in use does."""
        if self._candidate is not None:
            self._candidate.use_learnt()

    def _begin(self, name: str, trainer: StreamTrainer) -> None:
        """Refuses a candidate that cannot be tried. Raises StoreError where it cannot be read now."""
        model, learning = self._settings.model, self._settings.learning
        try:
            weights = self._load(name, CANDIDATES)
            if weights.lineage == trainer.version.lineage:
                raise CheckpointError("it is of the training that is in use already")
            self._candidate = Candidate(model, learning, self._items, weights, trainer.checkpoint())
        except (CheckpointError, WeightsError) as error:
            log.error("candidate %s is refused, the model in use stays: %s", name, error)
            self._remove(name)
            return
        self._name = name
        self._summarize("on trial")
        log.info("candidate %s is on trial beside %s", self._candidate.version, trainer.version)

    def _obey(self, request: Request, trainer: StreamTrainer) -> None:
        if request.action == "rollback":
            self._roll_back(request.name, trainer)
            return
        if self._candidate is None or self._name != request.name:
            self._candidate = None
            self._begin(request.name, trainer)
        if self._candidate is not None:
            self._promote(trainer)

    def _roll_back(self, name: str, trainer: StreamTrainer) -> None:
        try:
            weights = self._load(name, "")
            lineage = rolled_back_lineage(weights, *trainer.version)
            trainer.adopt(replace(weights, lineage=lineage))
        except (StoreError, CheckpointError, WeightsError) as error:
            log.error("%s is not gone back to, the model in use stays: %s", name, error)
            return
        log.warning("rolled back to %s: the model is %s now", name, trainer.version)

    def _promote(self, trainer: StreamTrainer) -> None:
        assert self._candidate is not None
        trainer.adopt(self._candidate.weights())
        self._end("promoted")

    def _end(self, state: str) -> None:
        assert self._candidate is not None
        self._summarize(state)
        log.warning(
            "candidate %s is %s: log-probability %+.4f and recall@10 %.4f against %.4f over %d events",
            self._candidate.version,
            state,
            self._candidate.gain,
            self._candidate.recall_at_10,
            self._candidate.current_recall_at_10,
            self._candidate.scored,
        )
        self._candidate = None
        self._remove(self._name)

    def _remove(self, name: str) -> None:
        """Deletes a candidate that has ended; where the store keeps it, it is not tried again."""
        try:
            self._store.remove(name, CANDIDATES)
        except StoreError as error:
            self._ended.add(name)
            log.warning("candidate %s has ended and is to be deleted by hand: %s", name, error)

    def _summarize(self, state: str) -> None:
        candidate = self._candidate
        assert candidate is not None
        self.summary = {
            "model": str(candidate.version),
            "state": state,
            "scored": candidate.scored,
            "gain": candidate.gain,
            "recall_at_10": candidate.recall_at_10,
            "current_recall_at_10": candidate.current_recall_at_10,
        }

    def _load(self, name: str, folder: str) -> Weights:
        """The checkpoint's weights. Raises StoreError, CheckpointError."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._store.download(name, self._folder, folder)
        weights = checkpoint.load(self._folder, self._settings.model, self._items)
        if weights is None:
            raise CheckpointError(f"{name} holds no weights")
        return weights
