"""One term of a trainer: from the newest release on, rows are learnt and releases written, until it is to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from streams.kafka.closing import close_all
from streams.releases.release import ChangelogPosition
from streams.releases.release_topic import ReleaseTopic
from streams.settings.settings import Settings
from streams.trainer.changelog_feed import ChangelogFeed
from streams.trainer.learning_pace import LearningPace
from streams.trainer.metrics import TrainerMetrics
from streams.trainer.model import Model
from streams.trainer.report import TrainingReport

log = logging.getLogger(__name__)

_MAX_WAIT_MS: Final = 200
# Each batch of rows costs something however small it is: rows are fetched so often at most.
_FETCH_INTERVAL_S: Final = 0.1
_LOOK_INTERVAL_S: Final = 3.0


class Term:
    """What an elected trainer does. After an error a new term begins with a new model, from the last release.

    It ends once another trainer has opened the topic of releases, and not already where the group has elected nobody:
    where that topic was deleted, who has the model in memory writes it again.
    """

    def __init__(self, settings: Settings, model: Model, metrics: TrainerMetrics) -> None:
        trainer = settings.trainer
        self._release_interval_s = trainer.release_interval_s
        self._save_interval_s = trainer.checkpoint_interval_s
        self._model = model
        self._releases = ReleaseTopic(settings)
        self._feed = ChangelogFeed(settings)
        self._pace = LearningPace(trainer.learning_share)
        self._report = TrainingReport()
        self._metrics = metrics
        self._released: ChangelogPosition | None = None
        self._released_s = float("-inf")  # monotonic clock
        self._saved_s = time.monotonic()
        self._looked_s = float("-inf")
        self._is_learning = self._has_learnt = False

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once it is to stop, after a last release.

        Raises TrainerFencedError where another trainer has taken over; ReleaseError, ChangelogError where no training
        can go on; TransactionFailed, KafkaError where a new term may help.
        """
        await self._begin()
        self._metrics.train()
        while not stop.is_set():
            behind = await self._observe()
            await self._learn(0.0 if behind else _FETCH_INTERVAL_S, behind)
            now_s = time.monotonic()
            if now_s - self._looked_s >= _LOOK_INTERVAL_S:
                await self._look()
            saving = now_s - self._saved_s >= self._save_interval_s
            # A checkpoint that is newer than the last release is of no use to who goes on from there.
            if saving or now_s - self._released_s >= self._release_interval_s:
                await self._release()
            if saving:
                await self._save()
            lag = self._feed.lag()
            self._report.log_if_due(lag)
            self._metrics.add_round(lag)
        await self._release()
        self._report.log(self._feed.lag())
        await self._save()

    async def close(self) -> None:
        """Closes all clients."""
        await close_all(self._feed.stop, self._model.close, self._releases.stop)

    async def _begin(self) -> None:
        release = await self._releases.open()
        await self._model.start(release)
        if release is None:
            log.info("training begins with the rows that the changelog holds")
        else:
            log.info("training goes on from release %d", release.number)
            self._released = release.covered
        await self._feed.start(self._released)
        # At once: workers that have no model yet may wait for it.
        if release is None:
            await self._release()

    async def _observe(self) -> bool:
        """Counts the rows that come next; whether more of them wait than one fetch has."""
        batch = await self._feed.fetch(0 if self._is_learning else _MAX_WAIT_MS)
        if batch.rows:
            counted = await self._model.observe(batch.rows)
            self._report.add_counted(counted)
            self._metrics.add_counted(counted)
        return batch.is_full

    async def _learn(self, seconds: float, behind: bool) -> None:
        """Takes the optimizer steps that are due within this time, one at least where it is due."""
        end_s = time.monotonic() + seconds
        while True:
            wait_s = self._pace.wait_s
            if wait_s == 0:
                began_s = time.monotonic()
                step = await self._model.train_step(self._pace.partial)
                self._is_learning = step is not None
                if step is not None:
                    seconds_taken = time.monotonic() - began_s
                    self._report.add_step(step)
                    self._metrics.add_step(step, seconds_taken)
                    self._has_learnt = True
                    self._pace.add_step(seconds_taken, behind)
                else:
                    wait_s = seconds
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(wait_s, left_s))

    async def _release(self) -> None:
        position = self._feed.position
        full = await self._releases.needs_all_parts()
        if full or self._has_learnt or position != self._released:
            self._has_learnt = False
            parts, manifest = await self._model.release(full)
            written = await self._releases.write(parts, manifest, position, full=full)
            self._report.add_release(written)
            self._metrics.add_release(written)
            self._released = position
        self._released_s = time.monotonic()

    async def _look(self) -> None:
        self._has_learnt |= await self._model.look()
        self._looked_s = time.monotonic()

    async def _save(self) -> None:
        await self._model.save()
        self._metrics.add_checkpoint()
        self._saved_s = time.monotonic()
