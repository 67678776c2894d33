"""Hub: users' new predictions, from the thread that follows Kafka to the streams that wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from streams.web.following.intake import Update
from streams.web.http.problems import Problem

Waiting: TypeAlias = asyncio.Queue[Update | None]
"""Updates of one stream; None ends it"""
_MOST_WAITING: Final = 64
_SAMPLE_S: Final = 0.2  # between two updates of a stream of all users
_ALL: Final = ""  # no user has this id


class Hub:
    """Made inside the event loop of the streams."""

    def __init__(self, max_streams: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_streams = max_streams
        self._streams: dict[str, set[Waiting]] = {}
        self._sampled_s = 0.0
        self._is_closed = False
        self.open = 0
        """Streams that are open"""

    def publish(self, updates: Sequence[Update]) -> None:
        """Hands updates to the streams. Called in another thread."""
        streams = self._streams
        if not streams:
            return
        wanted = [update for update in updates if update[0] in streams]
        if _ALL in streams and time.monotonic() - self._sampled_s >= _SAMPLE_S:
            self._sampled_s = time.monotonic()
            self._call(_ALL, updates[-1:])
        for user_id in {user_id for user_id, _ in wanted}:
            self._call(user_id, [update for update in wanted if update[0] == user_id])

    def close(self) -> None:
        """Ends all streams."""
        self._is_closed = True
        for streams in self._streams.values():
            for waiting in streams:
                _put(waiting, None)

    @contextmanager
    def stream(self, user_id: str | None) -> Iterator[Waiting]:
        """The updates of a user, or some of all users; the oldest are dropped where they are not taken."""
        if self._is_closed or self.open >= self._max_streams:
            detail = f"{self._max_streams} streams are open, as many as web.max_streams allows"
            raise Problem(503, detail, {"Retry-After": "30"})
        key, waiting = user_id or _ALL, Waiting(_MOST_WAITING)
        self._streams.setdefault(key, set()).add(waiting)
        self.open += 1
        try:
            yield waiting
        finally:
            self.open -= 1
            self._streams[key].discard(waiting)
            if not self._streams[key]:
                del self._streams[key]

    def _call(self, key: str, updates: Sequence[Update]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, key, updates)

    def _deliver(self, key: str, updates: Sequence[Update]) -> None:
        for waiting in self._streams.get(key, ()):
            for update in updates:
                _put(waiting, update)


def _put(waiting: Waiting, update: Update | None) -> None:
    if waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(update)
