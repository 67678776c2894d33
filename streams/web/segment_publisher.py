"""Publisher of segments: writes their sizes to `interest-segments`, those that have changed, every so many seconds."""

from __future__ import annotations

import asyncio
import logging
import time

from streams.errors import StreamError
from streams.kafka.publisher import Publisher, RecordError
from streams.kafka.topics import ensure_topics
from streams.log_levels import TRANSIENT
from streams.schema.churn import LEVELS
from streams.schema.segments import SegmentSize
from streams.settings.settings import Settings
from streams.web.following.follower import Follower
from streams.web.view.segments import Segment
from streams.web.view.view import View

log = logging.getLogger(__name__)

_RETRY_S = 10.0


class SegmentPublisher:
    """For one server of a group: others would write the same again."""

    def __init__(self, settings: Settings, view: View, follower: Follower) -> None:
        self._settings = settings
        self._view = view
        self._follower = follower
        self._written: dict[Segment, int] = {}

    async def run(self) -> None:
        """Publishes until it is cancelled; a broker that is away is waited for."""
        while True:
            try:
                await self._publish()
            except (RecordError, StreamError, TimeoutError) as error:
                log.warning("segments are not published, trying again: %s", error, extra=TRANSIENT)
            await asyncio.sleep(_RETRY_S)

    async def _publish(self) -> None:
        topic = self._settings.topics.interest_segments
        await ensure_topics(self._settings, [topic])
        async with Publisher(self._settings.kafka, topic) as publisher:
            while True:
                if not self._follower.waits_for:  # else the view is not what the topics say
                    sizes = dict(self._view.segments.sizes())
                    records = [size.encode() for size in changed_sizes(self._written, sizes, int(time.time() * 1000))]
                    await publisher.send(records)
                    self._written = sizes
                await asyncio.sleep(self._settings.web.publish_segments_s)


def changed_sizes(before: dict[Segment, int], now: dict[Segment, int], at_ms: int) -> list[SegmentSize]:
    """The segments of another size than before, those that have become empty with 0."""
    total = max(sum(now.values()), 1)
    return [
        SegmentSize(segment.category or None, LEVELS[segment.level], users, users / total, at_ms)
        for segment in sorted(before.keys() | now.keys())
        if (users := now.get(segment, 0)) != before.get(segment)
    ]
