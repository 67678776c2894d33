"""Watch of the topic of releases: the manifest of the newest release every few seconds.

Releases hold the model, which is large, and come every second: only the last records of the topic are read.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from streams.errors import StreamError
from streams.kafka.offset_reader import OffsetReader
from streams.kafka.undecodable import UndecodableRecord
from streams.releases.chunks import MANIFEST_KEY, ChunkError, PartChunks, parse_key
from streams.releases.envelope import ReleaseEnvelope
from streams.settings.settings import Settings
from streams.web.view.view import View

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 3.0
_READ_BACK: Final = (3, 12, 48)  # offsets before the end: the manifest, in one chunk or in several, and the commit
_FETCH_MS: Final = 100


class ReleaseWatch:
    """Manifests as they are committed. `watch` runs beside whoever calls `store`, in the same event loop."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.model_releases
        self._kafka = settings.kafka
        self._reader = OffsetReader(settings.kafka, [self._topic])
        self._waiting: list[ReleaseEnvelope] = []

    async def stop(self) -> None:
        """Closes the connection."""
        await self._reader.stop()

    def store(self, view: View) -> None:
        """Puts what has come into the view."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        batch = view.new_batch()
        for envelope in waiting:
            try:
                view.releases.put(envelope, batch)
            except (ValueError, TypeError, AttributeError, OverflowError) as error:
                log.warning("the manifest of release %d is passed over: %r", envelope.number, error)
        view.store(batch)

    async def watch(self) -> None:
        """Reads until it is cancelled; a topic that is missing, or a broker that is away, is waited for."""
        position, seen_end = (self._topic, 0), -1
        is_started = False
        while True:
            try:
                if not is_started:
                    await self._reader.start()
                    is_started = True
                end = (await self._reader.ends())[position]
                if end != seen_end:
                    seen_end = end
                    if (envelope := await self._newest(end)) is not None:
                        self._waiting.append(envelope)
            except StreamError as error:
                log.debug("%s: %s", self._topic, error)
                await self._reader.stop()
                self._reader, is_started = OffsetReader(self._kafka, [self._topic]), False
            await asyncio.sleep(_INTERVAL_S)

    async def _newest(self, end: int) -> ReleaseEnvelope | None:
        """The newest release that is complete before the offset; None where the last records hold none."""
        begin = (await self._reader.begins())[self._topic, 0]
        for back in _READ_BACK:
            first = max(begin, end - back)
            if (envelope := await self._read(first, end)) is not None or first == begin:
                return envelope
        return None

    async def _read(self, first: int, end: int) -> ReleaseEnvelope | None:
        self._reader.seek({(self._topic, 0): first})
        newest, chunks = None, None
        while (await self._reader.positions())[self._topic, 0] < end:
            for records, _ in (await self._reader.fetch(_FETCH_MS, 100)).values():
                for record in records:
                    if isinstance(record, UndecodableRecord) or record.value is None:
                        continue
                    try:
                        key, index = parse_key(record.key)
                        if key != MANIFEST_KEY:
                            continue
                        if index == 0:
                            chunks = PartChunks(record.headers)
                        part = None if chunks is None else chunks.add(index, record.headers, record.value)
                        if part is not None:
                            newest, chunks = ReleaseEnvelope.decode(part), None
                    except (ChunkError, ValueError) as error:
                        chunks = None
                        log.debug("%s %d: %s", self._topic, record.offset, error)
        return newest
