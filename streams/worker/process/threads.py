"""Blocking work, such as RocksDB's, outside of the event loop: a blocked loop misses heartbeats and signals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """The function's result; as asyncio.to_thread, but a cancellation waits until the function has returned.

    So whoever cancelled, to close the files that the function works on, never does so while it works.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **options))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # of no interest to who cancelled
        raise
