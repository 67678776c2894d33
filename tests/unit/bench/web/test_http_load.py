import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bench.errors import BenchError
from bench.web.http_load import quantile, run_load
from bench.web.predictions import records
from streams.schema.predictions import decode

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[int]:
    """The port of a server, whose connections are closed at the end."""
    connections: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.append(task)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*connections)


async def test_latency_counts_from_when_a_request_was_due() -> None:
    """A server that answers no sooner than the last request is due: the first one has waited the longest."""
    asked = 0
    all_asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readline():
            if await reader.readuntil(b"\r\n\r\n"):
                asked += 1
            if asked == 10:
                all_asked.set()
            await all_asked.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(answer) as port:
        latencies_s = await run_load(port, ["/"] * 10, 100.0)
    assert len(latencies_s) == asked == 10
    assert max(latencies_s) >= 0.09


async def test_a_body_is_posted() -> None:
    received = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                received.append((head.split(b" ", 1)[0], await reader.readexactly(2)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(answer) as port:
        assert len(await run_load(port, ["/a", "/b"], 100.0, b"{}")) == 2
    assert received == [(b"POST", b"{}")] * 2


async def test_an_answer_that_is_no_200_ends_the_load() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with serving(refuse) as port:
        with pytest.raises(ExceptionGroup) as caught:
            await run_load(port, ["/nothing"], 10.0)
    assert caught.group_contains(BenchError, match="/nothing: HTTP/1.1 404 Not Found")


def test_quantiles() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (51.0, 100.0, 100.0)


def test_predictions_are_as_workers_write_them() -> None:
    made = list(records(iter(range(20))))
    predictions = [decode(value) for _, value in made]
    assert [key.decode() for key, _ in made] == [prediction.user_id for prediction in predictions]
    assert all(len(prediction.items) == len(prediction.item_p) for prediction in predictions)
