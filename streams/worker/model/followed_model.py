"""The model as a worker has it: an engine that follows the trainer's releases, and its own events on top of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import numpy as np
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from models.data.influence import InfluenceLimits
from models.errors import UnknownItemError, WeightsError
from models.inference.engine import Engine
from models.inference.step_result import StepResult
from models.releases.followed_engine import FollowedEngine
from models.releases.manifest import Manifest
from models.releases.release import Release as ModelParts
from streams.log_levels import TRANSIENT
from streams.releases.follower import ReleaseFollower
from streams.releases.release import Release
from streams.settings.settings import Settings
from streams.worker.items.item_topics import ItemTopics
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)

_RETRY_S = 1.0


class FollowedModel:
    """Releases arrive at any time, and are applied between two steps."""

    def __init__(self, settings: Settings, items: ItemTopics, on_error: Callable[[BaseException], None]) -> None:
        """`on_error` gets what ends the following."""
        predictions = settings.predictions
        limits = InfluenceLimits.of(settings.learning)
        self.engine = Engine(
            settings.model,
            items.vocabulary,
            predictions.top_items,
            predictions.top_categories,
            predictions.top_because,
            limits=limits,
        )
        self._items = items
        self._on_error = on_error
        self._followed = FollowedEngine(self.engine)
        self._follower = ReleaseFollower(settings.kafka, settings.topics.model_releases)
        self._new: Release | None = None  # all that has arrived since the last one that was applied
        self._is_new = False  # whether any of it has arrived since applying it was tried
        self._arrived = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.seconds = 0.0
        """Wall time that releases took to apply"""
        self._taken_s = 0.0
        self.written_ms: int | None = None
        """When the newest one that was applied was written, by its trainer's clock"""
        self.releases = 0
        """That were applied so far"""
        self.covered: Mapping[int, int] = {}
        """Changelog offsets up to which the newest of them contains the rows, by partition"""

    async def start(self) -> None:
        """Reads the newest model and goes on to follow. Raises KafkaError without a broker."""
        self._add(await self._follower.start())
        self._following = asyncio.create_task(self._follow(), name="releases")

    async def stop(self) -> None:
        """Ends the following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._follower.stop()

    async def wait_for_release(self, timeout_s: float) -> bool:
        """Whether one is there that was not yet tried to apply, or arrives within this time."""
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def apply_new(self) -> None:
        """Goes on with what has arrived. To be called between two steps. Raises KafkaError without a broker."""
        if self._new is None or not self._is_new:
            return
        began_s = time.perf_counter()
        try:
            await self._apply_new(self._new)
        finally:
            self.seconds += time.perf_counter() - began_s

    def take_seconds(self) -> float:
        """Wall time that releases took to apply since the last call."""
        seconds = self.seconds - self._taken_s
        self._taken_s = self.seconds
        return seconds

    @property
    def faults(self) -> int:
        """Releases that were not complete."""
        return self._follower.faults

    async def _apply_new(self, release: Release) -> None:
        if _known_items(release) > self._items.vocabulary.register.count:
            await self._items.index.catch_up()
            release = self._new or release  # with what has arrived meanwhile
        self._new, self._is_new = None, False
        self._arrived.clear()
        if not await in_thread(self._apply, release):
            # With the next one, which may replace what is wrong.
            self._new = release if self._new is None else release.followed_by(self._new)

    def observe(self, step: StepResult, partition: NDArray[np.int64], ends: Mapping[int, int]) -> None:
        """Counts a committed step's events until a release has them.

        `partition` [U] is that of each row, `ends` the changelog offset after the rows of each.
        """
        self._followed.observe(step, partition, ends)

    async def _follow(self) -> None:
        while True:
            try:
                async for release in self._follower.follow():
                    self._add(release)
            except KafkaError as error:
                log.warning("following the releases failed, trying again: %r", error, extra=TRANSIENT)
            except Exception as error:
                self._on_error(error)
                return
            await asyncio.sleep(_RETRY_S)

    def _add(self, release: Release | None) -> None:
        if release is None:
            return
        self._new = release if self._new is None else self._new.followed_by(release)
        self._is_new = True
        self._arrived.set()

    def _apply(self, release: Release) -> bool:
        try:
            parts = ModelParts.of(release.parts, Manifest.decode(release.manifest))
            self._followed.apply(parts, release.covered.offsets)
        except (WeightsError, UnknownItemError) as error:
            log.error("release %d is not applied, the model before it stays: %s", release.number, error)
            return False
        if not self.releases:
            log.info("model %s of release %d", self.engine.version, release.number)
        self.releases += 1
        self.written_ms = release.written_ms
        self.covered = release.covered.offsets
        return True


def _known_items(release: Release) -> int:
    try:
        return Manifest.decode(release.manifest).items
    except WeightsError:
        return 0  # why it is not applied is logged when that is tried
