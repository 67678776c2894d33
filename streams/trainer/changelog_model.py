"""The model as the changelog teaches it: rows of users in, learnt and counted; releases and checkpoints out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models import checkpoint
from models.data.user_row import user_row_fields
from models.device import set_compute_threads
from models.errors import CheckpointError, WeightsError
from models.inference.predictions import ModelVersion
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.releases.manifest import Manifest
from models.releases.observed import Observed
from models.releases.release import Release as ModelParts
from models.releases.stream_trainer import StreamTrainer
from state.folders import make_folder
from state.rows import RowLayout
from streams.errors import StoreError
from streams.kafka.closing import close_all
from streams.releases.release import Release
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.settings import Settings
from streams.trainer.changelog_feed import Row
from streams.trainer.checkpoint_store import CheckpointStore
from streams.trainer.model import Counted, ModelRelease, TrainStep
from streams.trainer.trial import Trial
from streams.worker.items.item_topics import ItemTopics
from streams.worker.partitions.changelog import REVIEWS_KEY
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)


class ChangelogModel:
    """Network, counts and gate over one vocabulary."""

    def __init__(self, settings: Settings, items: ItemTopics, trainer: StreamTrainer) -> None:
        """The trainer is one over the items' vocabulary that has learnt nothing yet."""
        self._settings = settings
        self._items = items
        self._vocabulary = items.vocabulary
        self._trainer = trainer
        self._layout = RowLayout(user_row_fields(settings.model))
        self._is_saved, self._refused = True, False
        self._store = CheckpointStore(settings.checkpoint_url)
        self._trial = Trial(settings, self._store, items.vocabulary)
        self._checkpoint_dir = self._store.local_folder or settings.worker.data_dir / "checkpoints"

    @staticmethod
    async def create(settings: Settings, registry: Transcoder | None) -> ChangelogModel:
        """A model without items; `registry` decodes catalog records in Confluent's wire format."""
        content = await in_thread(ItemContent, settings.model)  # may load a text encoder
        vocabulary = ItemVocabulary(settings.items.capacity, content)
        set_compute_threads(settings.model)
        trainer = await in_thread(StreamTrainer, settings.model, settings.learning, vocabulary)
        return ChangelogModel(settings, ItemTopics(settings, vocabulary, registry), trainer)

    async def start(self, release: Release | None) -> None:
        """Become the model of the release; without any, that of the trained checkpoint, else a new one.

        Raises CheckpointError, WeightsError where it does not fit the settings or the item index.
        """
        await in_thread(self._fetch_newest)
        await self._items.index.start()
        await self._items.catalog.start()
        trainer = self._settings.trainer
        folder = trainer.trained_dir if release is None else self._checkpoint_dir
        await self._register(folder)
        if release is None:
            weights = await in_thread(checkpoint.load, folder, self._settings.model, self._vocabulary)
            if weights is not None:
                log.info("weights %s of %s", ModelVersion(weights.lineage, weights.version), folder)
                await in_thread(self._trainer.begin, weights)
            return
        manifest = Manifest.decode(release.manifest)
        await in_thread(lambda: self._trainer.restore(ModelParts.of(release.parts, manifest)))
        await in_thread(self._restore_learner, folder)

    async def observe(self, rows: Sequence[Row]) -> Counted:
        """Count the rows' new events, and queue them for learning."""
        texts = [value for key, value in rows if key == REVIEWS_KEY and value is not None]
        observed = await self._observe(*await in_thread(self._unpack, rows), texts)
        if gone := [key for key, value in rows if value is None]:
            await in_thread(self._forget, _numbers(gone))
        return observed

    async def train_step(self, partial: bool) -> TrainStep | None:
        """An optimizer step, where enough events wait for one."""
        return await in_thread(self._train_step, partial)

    async def release(self, full: bool) -> ModelRelease:
        """The parts that changed since the last call, all of them where `full`."""
        return await in_thread(self._release, full)

    async def look(self) -> bool:
        """Begin with a candidate that was published, promote or roll back where that was asked for."""
        version = self._trainer.version
        try:
            await in_thread(self._trial.look, self._trainer)
        except StoreError as error:
            log.warning("candidates are not looked for: %s", error)
        return self._trainer.version != version

    async def save(self) -> None:
        """Write a checkpoint, where anything was learnt since the last one."""
        if not self._is_saved:
            await in_thread(self._save)

    async def close(self) -> None:
        """Close the followers of the items' topics."""
        await close_all(self._items.catalog.stop, self._items.index.stop)

    async def _register(self, folder: Path) -> None:
        """An item index that is new, or was lost, continues as the checkpoint has it. A different one is left alone."""
        ids = await in_thread(checkpoint.item_ids, folder)
        known = len(self._vocabulary)
        if ids[:known] == self._vocabulary.ids(known):
            await self._items.index.register(ids)

    async def _observe(self, rows: NDArray[np.void], users: NDArray[np.uint32], texts: Sequence[bytes]) -> Counted:
        # Items are registered before any row has them, or any text.
        register = self._vocabulary.register
        if texts or int(rows["ring_item"].max(initial=0)) > register.count:
            await self._items.index.catch_up()
        await self._items.catalog.refresh()
        if register.has_evicted:
            rows["ring_item"] = register.slots(rows["ring_item"])
        for text in texts:
            await in_thread(self._review, text)
        observed = await in_thread(self._count, rows, users)
        self._is_saved = False
        return Counted(observed.events, observed.missed)

    def _count(self, rows: NDArray[np.void], users: NDArray[np.uint32]) -> Observed:
        new_events = rows["new_steps"].astype(np.int64)
        observed = self._trainer.observe(rows, new_events, users)
        self._trial.observe(rows, new_events, users, observed.sample, self._trainer)
        return observed

    def _forget(self, users: NDArray[np.uint32]) -> None:
        self._trainer.forget_users(users)
        self._trial.forget_users(users)

    def _review(self, text: bytes) -> None:
        try:
            self._trainer.observe_reviews(text)
        except WeightsError as error:
            log.warning("texts about items are left out: %s", error)

    def _fetch_newest(self) -> None:
        """Where the checkpoints are not a folder of this machine, the newest is copied. Raises StoreError."""
        make_folder(
            self._checkpoint_dir, "trainer.checkpoint_url (or worker.data_dir)"
        )  # an error now, not a minute later
        if self._store.local_folder is None and (newest := next(iter(self._store.manifests()), None)) is not None:
            self._store.download(newest, self._checkpoint_dir)

    def _restore_learner(self, folder: Path) -> None:
        try:
            weights = checkpoint.load(folder, self._settings.model, self._vocabulary)
            if weights is not None:
                self._trainer.restore_learner(weights)
        except (CheckpointError, WeightsError) as error:
            log.warning("learning goes on with a new optimizer: %s", error)

    def _unpack(self, rows: Sequence[Row]) -> tuple[NDArray[np.void], NDArray[np.uint32]]:
        """The rows that have new events, and the numbers of their users."""
        written = [(key, value) for key, value in rows if key != REVIEWS_KEY and value is not None]
        unpacked = self._layout.unpack([value for _, value in written])
        is_new = unpacked["new_steps"] > 0
        return unpacked[is_new], _numbers([key for key, _ in written])[is_new]

    def _train_step(self, partial: bool) -> TrainStep | None:
        result = self._trainer.train_step(partial)
        if result is None:
            return None
        self._is_saved = False
        self._trial.train_step(partial)
        self._warn_of_skipped(result.skipped)
        return TrainStep(result.events, result.left_out)

    def _warn_of_skipped(self, skipped: bool) -> None:
        if skipped and not self._refused:
            log.warning("loss or gradient of an optimizer step was not finite: skipped, its events are not learnt")
        self._refused = skipped

    def _release(self, full: bool) -> ModelRelease:
        release = self._trainer.release(full)
        self._trial.use_learnt()
        return ModelRelease(release.parts(), replace(release.manifest, trial=self._trial.summary).encode())

    def _save(self) -> None:
        """Not while steps are refused, perhaps because of the weights."""
        if self._refused:
            return
        model = self._settings.model
        saved = checkpoint.save(self._checkpoint_dir, self._trainer.checkpoint(), model, self._vocabulary)
        self._is_saved = True
        if self._store.local_folder is None:
            try:
                self._store.upload(saved)
            except StoreError as error:
                log.warning("the checkpoint %s is on this machine alone: %s", saved.name, error)


def _numbers(users: Sequence[bytes]) -> NDArray[np.uint32]:
    """A number of each user, never 0; two users may have the same, and are then forgotten together."""
    return np.fromiter(map(crc32, users), np.uint32, len(users)) | np.uint32(1)
