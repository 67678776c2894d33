"""Open-loop load over HTTP/1.1: requests are sent when they are due, whether earlier ones are answered or not.

A closed loop would send less where the server is slow, and so leave out the waiting that users see.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.errors import BenchError

_HEADER_END = b"\r\n\r\n"


async def run_load(port: int, paths: Sequence[str], rate_per_s: float, body: bytes | None = None) -> list[float]:
    """Seconds from when each request was due to the end of its answer. Raises BenchError where one is no 200.

    With a JSON `body` all are POST requests that send it.
    """
    idle: list[asyncio.StreamReader] = []
    writers: dict[asyncio.StreamReader, asyncio.StreamWriter] = {}
    latencies_s: list[float] = []

    method, headers = "GET", ""
    if body is not None:
        method, headers = "POST", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    async def ask(path: str, reader: asyncio.StreamReader) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
        writers[reader].write(head.encode() + (body or b""))
        return await reader.readuntil(_HEADER_END)

    async def connect() -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers[reader] = writer
        return reader

    async def request(path: str, due_s: float) -> None:
        is_reused = bool(idle)
        reader = idle.pop() if idle else await connect()
        try:
            head = await ask(path, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            if not is_reused:
                raise
            reader = await connect()  # the server has closed the other one, which was idle for seconds
            head = await ask(path, reader)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise BenchError(f"{path}: {head.splitlines()[0].decode()}{await _detail(reader, head)}")
        await reader.readexactly(_length(head))
        latencies_s.append(time.perf_counter() - due_s)
        idle.append(reader)

    begin_s = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as tasks:
            for number, path in enumerate(paths):
                due_s = begin_s + number / rate_per_s
                if (wait_s := due_s - time.perf_counter()) > 0:
                    await asyncio.sleep(wait_s)
                tasks.create_task(request(path, due_s))
    finally:
        for writer in writers.values():
            writer.close()
    return latencies_s


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


async def _detail(reader: asyncio.StreamReader, head: bytes) -> str:
    """What the answer says of the error."""
    length = _length(head)
    return f": {(await reader.readexactly(length)).decode(errors='replace')}" if length else ""


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is at most."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
