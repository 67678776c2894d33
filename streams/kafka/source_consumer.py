"""The consumer of the source topic: a Faust app that joins the group and delivers whole fetches.

Nothing is ever acknowledged to Faust and it commits no offsets: it is used for its lifecycle, group membership and
delivery alone. Knows nothing of what the records mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import faust
from faust.app.base import BootStrategy
from faust.types import TP

from streams.kafka.faust_transport import BatchConsumer, BatchSchema, BatchTransport, RecordBatch
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.settings.settings import Settings

# Fetches that may wait for the next micro-batch; as the records of each are bounded too, so is memory in a backlog.
_MAX_WAITING_FETCHES = 16


class SourceConsumer:
    """A member of the worker's consumer group. Made inside a running event loop.

    Errors of the handlers go to `on_error`, which does not return: Faust would log them and go on.
    """

    def __init__(self, settings: Settings, on_error: Callable[[BaseException], None]) -> None:
        self._topic = settings.topics.user_events
        self._on_error = on_error
        self._app = _faust_app(settings)

    async def start(
        self,
        on_batches: Callable[[AsyncIterator[RecordBatch]], Awaitable[None]],
        on_assigned: Callable[[set[int], ConsumerGroupMetadata], None],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        """Joins the group. `on_batches` runs until Faust ends the stream.

        `on_assigned` gets the partitions, and generation and member id as they are then; `on_revoked` is awaited before
        the rebalance, or the shutdown, goes on.
        """

        async def deliver(stream: faust.Stream[RecordBatch]) -> None:
            try:
                await on_batches(_batches(stream))
            except Exception as error:
                # Faust would log it, commit past the batch and go on.
                self._on_error(error)

        async def assigned(*args: Any, **_: Any) -> None:
            tps: set[TP] = args[1]  # after the sender
            try:
                on_assigned({tp.partition for tp in tps if tp.topic == self._topic}, self._consumer.group_metadata())
            except Exception as error:
                # Faust would only remember it, and process nothing any more.
                self._on_error(error)

        async def revoked(*_: Any, **__: Any) -> None:
            try:
                await on_revoked()
            except Exception as error:
                self._on_error(error)

        self._app.agent(self._app.topic(self._topic, schema=BatchSchema()), name="interests")(cast(Any, deliver))
        self._app.on_partitions_assigned.connect(assigned)
        self._app.on_partitions_revoked.connect(revoked)
        self._app.on_before_shutdown.connect(revoked)
        await self._app.start()

    async def stop(self) -> None:
        """Leaves the group and ends Faust's threads, also those of a start that was cancelled."""
        await self._app.stop()

    def check(self) -> None:
        """Raises RuntimeError where Faust has crashed: it ends no process by itself."""
        if self._app.crashed:
            raise RuntimeError("Faust crashed; its log says why") from self._app.crash_reason

    async def is_member(self, group_metadata: ConsumerGroupMetadata) -> bool:
        """Whether the group, asked by a heartbeat, still has this member. Raises KafkaError without an answer."""
        return await self._consumer.is_member(group_metadata)

    async def rewind(self, partition: int, offset: int) -> None:
        """The next fetch of the partition begins at `offset`."""
        await self._consumer.rewind(self._topic, partition, offset)

    def stable_offset(self, partition: int) -> int | None:
        """The partition's last stable offset as the newest fetch has shown it; None before the first.

        Any thread may call it.
        """
        return self._consumer.stable_offset(self._topic, partition)

    @property
    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self._app.consumer)


class _BootStrategy(BootStrategy):
    """Starts no producer of Faust's: nothing would be written by it, and it knows nothing of our TLS and SASL."""

    enable_kafka_producer = False


class _App(faust.App):
    """A Faust app whose only client is our consumer."""

    BootStrategy = _BootStrategy


def _faust_app(settings: Settings) -> faust.App:
    app = _App(
        settings.kafka.group_id,
        broker=[f"kafka://{server}" for server in settings.kafka.bootstrap_servers.split(",")],
        datadir=settings.worker.data_dir / "faust",
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        # Nothing is ever acknowledged, so that Faust must not wait for it before a rebalance.
        stream_wait_empty=False,
        stream_buffer_maxsize=_MAX_WAITING_FETCHES,
    )
    app.transport = BatchTransport(app, settings.kafka)
    return app


async def _batches(stream: faust.Stream[RecordBatch]) -> AsyncIterator[RecordBatch]:
    async for event in stream.noack().events():
        yield cast(RecordBatch, event.value)
