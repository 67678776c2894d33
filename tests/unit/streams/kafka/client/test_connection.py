"""What is said of a port where something else than Kafka listens."""

import asyncio
import socket

import pytest

from streams.errors import KafkaAccessError
from streams.kafka.client import connection
from streams.kafka.client.connection import check_connection, no_broker
from streams.settings.sections import KafkaSettings


async def test_an_http_server_is_told_from_a_broker() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(KafkaAccessError, match=f"an HTTP server answers at 127.0.0.1:{port}, no Kafka broker"):
            await check_connection(KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"))


async def test_a_port_that_never_answers_is_not_called_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_TIMEOUT_MS", 200)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}")
        await check_connection(kafka)  # a broker that hangs may answer later
        assert (await no_broker(kafka)).startswith(f"something listens at 127.0.0.1:{port} but does not answer")
    assert (await no_broker(kafka)).startswith("no broker answers at")
