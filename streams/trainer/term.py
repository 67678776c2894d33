"""One term of a trainer: from the newest release on, rows are learnt and releases written, until it is to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from streams.releases.release import ChangelogPosition
from streams.releases.release_topic import ReleaseTopic
from streams.settings.settings import Settings
from streams.trainer.changelog_feed import ChangelogFeed
from streams.trainer.model import Model
from streams.trainer.report import TrainingReport
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)

_MAX_WAIT_MS: Final = 200


class Term:
    """What an elected trainer does. After an error a new term begins with a new model, from the last release.

    It ends once another trainer has opened the topic of releases, and not already where the group has elected nobody:
    where that topic was deleted, who has the model in memory writes it again.
    """

    def __init__(self, settings: Settings, make_model: Callable[[], Model]) -> None:
        self._interval_s = settings.trainer.release_interval_s
        self._make_model = make_model
        self._releases = ReleaseTopic(settings)
        self._feed = ChangelogFeed(settings)
        self._report = TrainingReport()
        self._released: ChangelogPosition | None = None
        self._released_s = float("-inf")  # monotonic clock

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once it is to stop, after a last release.

        Raises TrainerFencedError where another trainer has taken over; ReleaseError, ChangelogError where no training
        can go on; TransactionFailed, KafkaError where a new term may help.
        """
        model = await self._begin()
        while not stop.is_set():
            batch = await self._feed.fetch(_MAX_WAIT_MS)
            if batch.rows:
                self._report.add_events(await in_thread(model.observe, batch.rows))
            if time.monotonic() - self._released_s >= self._interval_s:
                await self._release(model)
            self._report.log_if_due(self._feed.lag())
        await self._release(model)

    async def close(self) -> None:
        """Closes all clients."""
        await self._feed.stop()
        await self._releases.stop()

    async def _begin(self) -> Model:
        release = await self._releases.open()
        model = await in_thread(self._make_model)
        if release is None:
            log.info("training begins with the rows that the changelog holds")
        else:
            await in_thread(model.restore, release.parts, release.manifest)
            log.info("training goes on from release %d", release.number)
            self._released = release.covered
        await self._feed.start(self._released)
        return model

    async def _release(self, model: Model) -> None:
        position = self._feed.position
        full = await self._releases.needs_all_parts()
        if full or position != self._released:
            parts, manifest = await in_thread(model.release, full)
            self._report.add_release(await self._releases.write(parts, manifest, position, full=full))
            self._released = position
        self._released_s = time.monotonic()
