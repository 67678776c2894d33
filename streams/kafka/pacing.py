"""Send rates: how they are written, and which records are due at one."""

import asyncio
import time
from collections.abc import AsyncIterator

from streams.errors import SettingsError

CHUNK = 2_000  # records handed over at a time, at full speed
TICK_S = 0.02  # between chunks, at a given rate


def parse_rate(text: str) -> float | None:
    """Events per second of "500/s" or "500"; None for "max"."""
    if text == "max":
        return None
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise SettingsError([f"--rate {text!r}: expected a number of events per second, such as 500/s, or max"])
    return rate


async def paced_ranges(total: int, rate_per_s: float | None) -> AsyncIterator[tuple[int, int]]:
    """Index ranges (start, end) of `total` records when they are to be sent: in chunks at once, or at the rate."""
    if rate_per_s is None:
        for start in range(0, total, CHUNK):
            yield start, min(start + CHUNK, total)
        return
    begin, start = time.monotonic(), 0
    while start < total:
        end = min(total, int((time.monotonic() - begin + TICK_S) * rate_per_s))
        if end > start:
            yield start, end
            start = end
        await asyncio.sleep(max(0.0, TICK_S - (time.monotonic() - begin) % TICK_S))
