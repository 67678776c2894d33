"""The consumer thread of Faust: the hooks by which the worker reads with a consumer of its own making."""

import asyncio
import inspect
import threading
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, ConsumerRebalanceListener
from faust.types import TP

from tests.contracts.cluster import Cluster, until
from tests.contracts.faust_app import new_app
from tests.contracts.faust_consumer import faust_consumer, partition

NewConsumer: Any = AIOKafkaConsumer


async def thread_name() -> str:
    return threading.current_thread().name


async def test_the_stock_consumer_reads_uncommitted_and_waits_1500_ms(cluster: Cluster) -> None:
    """Why `_create_worker_consumer` is overridden: isolation, fetch window and assignor cannot be set from outside.

    When it fails: Faust may have grown settings; use them and drop the override.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    async with faust_consumer(app, topic) as consumer:
        stock = consumer._thread._consumer
        assert stock._isolation_level == "read_uncommitted"
        assert stock._fetch_max_wait_ms == 1500
        assert stock._fetch_min_bytes == 1
        assert stock._enable_auto_commit is False
        assert stock._coordinator._assignors == [RoundRobinPartitionAssignor]
    assert not [name for name in dir(app.conf) if "isolation" in name or "fetch_max_wait" in name]


async def test_exactly_once_is_the_only_switch_to_read_committed(cluster: Cluster) -> None:
    """Faust's own exactly_once would read committed, but brings its transactions along; so the consumer is ours.

    When it fails: see whether the isolation level has become a setting of its own.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, processing_guarantee="exactly_once")
    app.in_worker = True
    async with faust_consumer(app, topic) as consumer:
        assert consumer.in_transaction
        assert consumer._thread._consumer._isolation_level == "read_committed"


class CommittedThread(AIOKafkaConsumerThread):
    made_by: str

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        self.made_by = threading.current_thread().name
        consumer: AIOKafkaConsumer = NewConsumer(
            group_id=self.app.conf.id,
            bootstrap_servers=[f"{url.host}:{url.port}" for url in transport.url],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=20,
            heartbeat_interval_ms=100,
        )
        return consumer


class CommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


async def test_a_consumer_of_our_own_making_runs_in_the_thread_of_ours(cluster: Cluster) -> None:
    """`_new_consumer_thread` gives the thread; `_create_worker_consumer(transport)`, called in it, gives the consumer.

    The batch transport is these two overrides. When it fails: find the new place where the driver makes its consumer.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    tp = partition(topic)
    async with cluster.producer(cluster.name("txn")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
    await cluster.send(topic, [b"visible"])
    async with faust_consumer(app, topic, CommittedConsumer) as consumer:
        thread = consumer._thread
        assert isinstance(thread, CommittedThread)
        assert thread.made_by == await thread.call_thread(thread_name)
        records: dict[TP, list[Any]] = {}
        while not records:
            records = await consumer._getmany({tp}, 5.0)
        assert {key: [record.value for record in values] for key, values in records.items()} == {tp: [b"visible"]}


async def test_call_thread_runs_in_the_consumer_thread_and_returns_or_raises(cluster: Cluster) -> None:
    """`_thread.call_thread(function, *arguments)` is how seek and generation are reached: aiokafka is not thread-safe.

    When it fails: a seek from the main thread races with the fetcher.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)

    async def fail(what: str) -> None:
        raise LookupError(what)

    async with faust_consumer(app, topic) as consumer:
        name = await consumer._thread.call_thread(thread_name)
        assert name != threading.current_thread().name
        with pytest.raises(LookupError, match="nothing"):
            await consumer._thread.call_thread(fail, "nothing")
        await consumer._thread.call_thread(consumer._thread._consumer.seek_to_beginning)
    assert list(inspect.signature(AIOKafkaConsumerThread.call_thread).parameters) == ["self", "fun", "args", "kwargs"]


async def test_the_listener_runs_in_the_consumer_thread_and_the_handlers_in_the_main_thread(cluster: Cluster) -> None:
    """When the assigned handler runs, the generation is on the app and the heartbeat stopped; `rebalancing` spans both.

    The snapshot of generation and member id is taken in the assigned handler, and a restore must not run in it: no
    heartbeat goes out before it returns. When it fails: move the snapshot, or allow restores in the handler.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    main = threading.current_thread().name
    seen: list[tuple[object, ...]] = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked: Any) -> Any:
            seen.append(("listener revoked", threading.current_thread().name == main))
            return super().on_partitions_revoked(revoked)

    class ListeningConsumer(Consumer):
        RebalanceListener = Listener

    async def on_revoked(revoked: set[TP]) -> None:
        seen.append(("revoked", threading.current_thread().name == main, app.rebalancing, app.consumer_generation_id))

    async def on_assigned(assigned: set[TP], generation: int) -> None:
        consumer: Any = app.consumer  # its thread is private
        coordinator = consumer._thread._consumer._coordinator
        seen.append(("assigned", threading.current_thread().name == main, app.rebalancing, app.consumer_generation_id))
        assert generation == coordinator.generation == app.consumer_generation_id
        assert coordinator.member_id
        assert coordinator._heartbeat_task is None

    async with faust_consumer(
        app, topic, ListeningConsumer, on_revoked=on_revoked, on_assigned=on_assigned
    ) as consumer:
        await until(lambda: consumer._thread._consumer._coordinator._heartbeat_task is not None)
    assert seen == [("listener revoked", False), ("revoked", True, True, 0), ("assigned", True, True, 1)]


async def test_the_join_waits_for_the_revoked_handler(cluster: Cluster) -> None:
    """A worker finishes its step and closes RocksDB inside the revoked handler, and only then does a successor begin.

    When it fails: two workers own a partition at once; owners then need the wait for silence alone.
    """
    topic, app = await cluster.create_topic(partitions=2), new_app(cluster)
    revoking, let_go = asyncio.Event(), asyncio.Event()
    generations: list[int] = []

    async def on_revoked(revoked: set[TP]) -> None:
        if revoked:
            generations.append(consumer._thread._consumer._coordinator.generation)
            revoking.set()
            await let_go.wait()

    async def on_assigned(assigned: set[TP], generation: int) -> None:
        generations.append(generation)

    handlers: dict[str, Any] = {"on_revoked": on_revoked, "on_assigned": on_assigned}
    async with faust_consumer(app, topic, CommittedConsumer, **handlers) as consumer:
        async with cluster.consumer(group_id=app.conf.id) as newcomer:
            newcomer.subscribe([topic])
            await asyncio.wait_for(revoking.wait(), 120)
            await asyncio.sleep(0.5)
            assert not newcomer.assignment()
            let_go.set()
            await until(newcomer.assignment)
            await until(lambda: len(generations) == 3)
        assert generations == [1, 1, 2]


async def test_leaving_the_group_on_stop_calls_no_revoked_handler(cluster: Cluster) -> None:
    """A stop is not a revocation, so `on_before_shutdown` has to finish the step and close the stores.

    When it fails: the shutdown handler and the revoked handler both run; closing twice must be harmless.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    revocations: list[set[TP]] = []

    async def on_revoked(revoked: set[TP]) -> None:
        revocations.append(revoked)

    async with faust_consumer(app, topic, on_revoked=on_revoked):
        pass
    assert revocations == [set()]
