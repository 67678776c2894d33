"""Follower: a thread that keeps the view as the topics are. A broker that is away is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from streams.errors import StreamError
from streams.experiments.follower import ExperimentFollower
from streams.kafka.offset_reader import OffsetReader
from streams.registry.connection import connect_registry
from streams.settings.settings import Settings
from streams.web.following.intake import Intake, Update
from streams.web.following.policy_watch import PolicyWatch
from streams.web.following.release_watch import ReleaseWatch
from streams.web.view.view import View

log = logging.getLogger(__name__)

_BATCH_RECORDS: Final = 500  # so long the interpreter is busy with them at most: some tens of milliseconds, in slices
_FETCH_MS: Final = 100
_CHECK_S: Final = 2.0
_FIRST_CHECK_S: Final = 0.2  # until all is read for the first time
_MOST_PAUSE_S: Final = 10.0
_STOP_S: Final = 3.0


class Follower(threading.Thread):
    """Reads all topics into the view until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        view: View,
        policies: PolicyWatch,
        on_updates: Callable[[list[Update]], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """`on_updates` and `on_failure` are called in the thread; the latter once, for what no retry mends."""
        super().__init__(name="follower", daemon=True)
        self._settings = settings
        self._view = view
        self._policies = policies
        self._on_updates = on_updates
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.experiments = ExperimentFollower(settings)
        """Its results are replaced as a whole, every two seconds"""
        self.waits_for = "it has not connected to Kafka yet"
        """Why the view is not as the topics are; empty where it is"""
        self.behind = 0
        """Offsets that are not read yet, when it was last looked at"""
        self.records = 0
        """Records that were read"""
        self.unreadable = 0
        """Records that were passed over"""

    def stop(self) -> None:
        """Ends the thread, after what it is at; what waits for a broker that does not answer is given up."""
        self._stopping.set()
        self.join(_STOP_S)
        if self.is_alive() and self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._task.cancel)
            self.join(_STOP_S)

    def run(self) -> None:
        """The thread."""
        try:
            asyncio.run(self._run())
        except Exception as error:
            self.waits_for = "it has ended"
            self._on_failure(error)

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        experiments = asyncio.create_task(self.experiments.follow())
        experiments.add_done_callback(self._end_with)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._follow()
        finally:
            experiments.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await experiments

    def _end_with(self, experiments: asyncio.Task[None]) -> None:
        """A bug there ends the thread."""
        if self._task is not None and not experiments.cancelled():
            self._task.cancel()

    async def _follow(self) -> None:
        pause_s, logged = 0.5, ""
        while not self._stopping.is_set():
            connected_s = time.monotonic()
            try:
                await self._read_topics()
            except StreamError as error:
                self.waits_for = str(error)
                if self.waits_for != logged:
                    logged = self.waits_for
                    log.warning("%s; trying again", error)
            if time.monotonic() - connected_s > 2 * _MOST_PAUSE_S:
                pause_s, logged = 0.5, ""
            await asyncio.to_thread(self._stopping.wait, pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    async def _read_topics(self) -> None:
        """Reads until it is stopped. Raises StreamError where Kafka cannot be read, or a topic is another one now."""
        settings, topics = self._settings, self._settings.topics
        names = [
            topics.user_events,
            topics.interest_predictions,
            topics.item_catalog,
            topics.interest_quality,
            topics.user_events_dlq,
            *([topics.interest_churn] if settings.churn.enabled else ()),
        ]
        reader, releases = OffsetReader(settings.kafka, names), ReleaseWatch(settings)
        try:
            shapes = await reader.start()
            intake = Intake(settings, self._view, await connect_registry(settings.registry))
            offsets = self._view.begin(shapes, await reader.begins(), await reader.ends())
            reader.seek(offsets)
            watching = asyncio.gather(releases.watch(), self._policies.watch())
            try:
                await self._read_on(reader, intake, releases)
            finally:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
        finally:
            await releases.stop()
            await reader.stop()

    async def _read_on(self, reader: OffsetReader, intake: Intake, releases: ReleaseWatch) -> None:
        shapes, first_ends, caught_up, next_check_s = await reader.shapes(), await reader.ends(), False, 0.0
        before = self.unreadable
        while not self._stopping.is_set():
            fetched = await reader.fetch(_FETCH_MS, _BATCH_RECORDS)
            if fetched:
                updates = await intake.apply(fetched)
                self.records += sum(len(records) for records, _ in fetched.values())
                self.unreadable = before + intake.unreadable.total()
                if updates and caught_up:
                    self._on_updates(updates)
            releases.store(self._view)
            if (now_s := time.monotonic()) < next_check_s:
                continue
            if caught_up and await reader.shapes() != shapes:  # also finds at once that no broker answers
                raise StreamError("a topic was created again, or has other partitions")
            ends, positions = await reader.ends(), await reader.positions()
            self.behind = sum(max(0, end - positions[position]) for position, end in ends.items())
            self._view.traffic.measured(ends)
            if caught_up:
                self._view.tick()
            elif all(positions[position] >= end for position, end in first_ends.items()):
                caught_up, self.waits_for = True, ""
                log.info(
                    "the view is as the topics are: %d users, %d items", self._view.meta.users, self._view.meta.items
                )
                self._view.tick()
            else:
                self.waits_for = f"{self.behind} records are not read yet"
            next_check_s = now_s + (_CHECK_S if caught_up else _FIRST_CHECK_S)
