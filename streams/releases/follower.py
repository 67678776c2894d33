"""Follower of the topic of releases: the newest complete model at its start, then what each release changes.

Where a release is not complete, one line says why, and whoever follows stays on the last good one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from typing import Final

from aiokafka import ConsumerRecord

from streams.kafka.follower import TopicFollower
from streams.releases.assembler import ReleaseAssembler
from streams.releases.release import Release, ReleaseFault
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)

_WAIT_MS: Final = 500
# A fault that lasts is written again after so long, and the topic is read from its beginning: a follower that was
# elsewhere while the topic was deleted and created again may have passed what it lacks.
_AGAIN_S: Final = 60.0


class ReleaseFollower:
    """Reads the topic without a group. Not to be called from two tasks at once."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._follower = TopicFollower(kafka, topic, self._add)
        self._results: list[Release | ReleaseFault] = []
        self.assembler = ReleaseAssembler()
        """What is known of the topic's parts."""
        self.fault: ReleaseFault | None = None
        """Why the newest release was not complete; None where it was."""
        self.faults = 0
        """Faults so far."""
        self._last: tuple[int, int] | None = None  # number and time in ms of the last that came out
        self._logged = ("", "")  # key and reason
        self._logged_s = self._read_s = float("-inf")  # monotonic clock

    async def start(self) -> Release | None:
        """Reads the topic to its end: the newest complete model, None where there is none.

        Raises KafkaError without a broker.
        """
        await self._follower.start()
        self._read_s = time.monotonic()
        return self._complete_release()

    async def stop(self) -> None:
        """Closes the consumer."""
        await self._follower.stop()

    async def drain(self, timeout_ms: int = 0) -> list[Release]:
        """The complete releases that have arrived, each to be applied to the one before it.

        Waits up to `timeout_ms` for a first record.
        """
        await self._follower.drain(timeout_ms)
        results, self._results = self._results, []
        releases = []
        for result in results:
            self._note(result)
            if isinstance(result, Release):
                releases.append(result)
        if self.fault is not None and time.monotonic() - self._read_s > _AGAIN_S:
            self._read_s = time.monotonic()
            if (release := await self._read_again()) is not None:
                releases = [release]
        return releases

    async def follow(self) -> AsyncGenerator[Release, None]:
        """The complete releases as they are committed; never ends."""
        while True:
            for release in await self.drain(_WAIT_MS):
                yield release

    def _add(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if (result := self.assembler.add(record)) is not None:
            self._results.append(result)

    async def _read_again(self) -> Release | None:
        """The whole model, where the topic has a newer one than was handed over."""
        last, self.assembler = self._last, ReleaseAssembler()
        await self._follower.rewind()
        release = self._complete_release()
        if release is None or (last is not None and release.written_ms <= last[1]):
            self._last = last
            return None
        return release

    def _complete_release(self) -> Release | None:
        """All that was read since the topic's beginning, as one release.

        On the way through a compacted topic, releases of which newer ones have parts are no faults.
        """
        results, self._results = self._results, []
        release: Release | None = None
        for result in results:
            if isinstance(result, Release):
                release = result if release is None else release.followed_by(result)
        if release is not None:
            self._remember(release)
        if results:
            self._note(results[-1])
        elif self.assembler.holds_parts:
            self._note(ReleaseFault(None, "manifest", "the topic holds parts of a model and no manifest"))
        return release

    def _note(self, result: Release | ReleaseFault) -> None:
        if isinstance(result, Release):
            if self.fault is not None:
                log.info("%s: release %d is complete again", self._topic, result.number)
            self.fault = None
            self._remember(result)
            return
        self.fault = result
        self.faults += 1
        if (result.key, result.reason) != self._logged or time.monotonic() - self._logged_s > _AGAIN_S:
            stays = "there is none before" if self._last is None else f"release {self._last[0]} stays"
            log.warning("%s: %s; %s", self._topic, result, stays)
            self._logged, self._logged_s = (result.key, result.reason), time.monotonic()

    def _remember(self, release: Release) -> None:
        self._last = release.number, release.written_ms
