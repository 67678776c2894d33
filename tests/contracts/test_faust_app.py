"""Faust's app around the agents: its signals, its crash, its stop."""

import asyncio
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from mode.threads import WorkerThread

from tests.contracts.cluster import Cluster, until
from tests.contracts.faust_app import new_app, running


async def ignore(stream: Any) -> None:
    async for _ in stream.noack():
        pass


async def test_the_signals_bring_the_partitions_and_are_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    """Owners are made in the assigned handler and closed in the revoked one, which holds the group until it returns.

    A handler is called with the app and the partitions. When it fails: see how the signals are sent now; a handler that
    nobody waits for means two owners at once.
    """
    topic, app = await cluster.create_topic(partitions=2), new_app(cluster, datadir=tmp_path)
    app.agent(app.topic(topic))(ignore)
    calls: list[tuple[str, int, int]] = []
    revoking, let_go = asyncio.Event(), asyncio.Event()

    def note(signal: str, sender: Any, partitions: set[TP]) -> None:
        assert sender is app
        coordinator = app.consumer._thread._consumer._coordinator
        calls.append((signal, len(partitions), coordinator.generation))

    @app.on_partitions_assigned.connect
    async def on_assigned(*sent: Any, **_: Any) -> None:
        note("assigned", *sent)

    @app.on_partitions_revoked.connect
    async def on_revoked(*sent: Any, **_: Any) -> None:
        note("revoked", *sent)
        if sent[1]:
            revoking.set()
            await asyncio.wait_for(let_go.wait(), 120)

    async with running(app) as consumer:
        assigned = len(consumer.assignment())
        async with cluster.consumer(group_id=app.conf.id) as newcomer:
            newcomer.subscribe([topic])
            await asyncio.wait_for(revoking.wait(), 120)
            await asyncio.sleep(0.3)
            assert not newcomer.assignment()
            let_go.set()
            await until(newcomer.assignment)
            await until(lambda: len(calls) >= 4)
    assert [signal for signal, _, _ in calls[:4]] == ["revoked", "assigned", "revoked", "assigned"]
    assert [partitions for _, partitions, _ in calls[:3]] == [0, assigned, assigned]
    generations = [generation for _, _, generation in calls]
    assert generations[1] == generations[2] < generations[3]


async def test_before_shutdown_the_worker_is_still_a_member(cluster: Cluster, tmp_path: Path) -> None:
    """`on_before_shutdown` is where the step in work is finished: the fetch has ended, the group has not been left.

    When it fails: the last step is refused and done again by the successor; harmless, but it costs the time.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    app.agent(app.topic(topic))(ignore)
    states: list[tuple[bool, bool]] = []

    @app.on_before_shutdown.connect
    async def on_shutdown(*_: Any, **__: Any) -> None:
        consumer: Any = app.consumer
        current = await consumer._thread.call_thread(consumer._thread._consumer._coordinator._do_heartbeat)
        states.append((consumer.flow_active, current))

    async with running(app):
        pass
    assert states == [(False, True)]


async def test_an_error_in_a_handler_crashes_the_app_without_raising_anywhere(cluster: Cluster, tmp_path: Path) -> None:
    """Only `crashed` and `crash_reason` tell it, and `rebalancing` stays on for good; so the worker looks at them.

    When it fails: an error in a handler may end up elsewhere, or nowhere; end the process in the handler itself.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    app.agent(app.topic(topic))(ignore)

    @app.on_partitions_assigned.connect
    async def on_assigned(*_: Any, **__: Any) -> None:
        raise LookupError("no owner")

    async with running(app):
        assert app.crashed
        assert isinstance(app.crash_reason, LookupError)
        assert app.rebalancing


async def test_crash_returns_to_its_caller(cluster: Cluster, tmp_path: Path) -> None:
    """`await app.crash(error)` ends nothing by itself: the agent that called it goes on with its next line.

    The consumer's thread leaves the group meanwhile, and the process lives as long as that thread, which is no daemon:
    after some crashes for good. So the process is left with `os._exit`. When it fails: crash may be trusted to stop the
    code that calls it.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    lines: list[str] = []

    async def crash(stream: Any) -> None:
        async for _ in stream.noack():
            lines.append("before")
            await app.crash(RuntimeError("unexpected"))
            lines.append("after")

    app.agent(app.topic(topic))(crash)
    async with running(app) as consumer:
        await cluster.send(topic, [b'"x"'])
        await until(lambda: len(lines) == 2)
        assert app.crashed
        thread = consumer._thread._thread
        assert isinstance(thread, WorkerThread)
        assert not thread.daemon


async def test_a_message_without_acknowledgement_keeps_the_stop_waiting(cluster: Cluster, tmp_path: Path) -> None:
    """So `stream_wait_empty=False`: by default Faust waits without end for each delivered message that somebody holds.

    The agent's own loop variable is enough, and we acknowledge nothing; before every rebalance it would wait too. When
    it fails: the default has changed, or acknowledgement is asked for elsewhere.
    """
    assert faust.App("default").conf.stream_wait_empty
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path, stream_wait_empty=True)
    seen = asyncio.Event()

    async def look(stream: Any) -> None:
        async for _ in stream.noack().events():
            seen.set()

    app.agent(app.topic(topic, value_type=str))(look)
    async with running(app) as consumer:
        await cluster.send(topic, [b'"x"'])
        await asyncio.wait_for(seen.wait(), 120)
        stopping = asyncio.ensure_future(app.stop())
        await asyncio.wait([stopping], timeout=2)
        assert not stopping.done()
        consumer._unacked_messages.clear()
        await asyncio.wait_for(stopping, 120)


async def test_a_transport_that_is_set_makes_the_consumer(cluster: Cluster, tmp_path: Path) -> None:
    """`app.transport = ...` before the start is enough; no entry point has to be installed for it.

    When it fails: register the transport under `faust.transports`.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)

    class OurConsumer(Consumer):
        pass

    class OurTransport(Transport):
        Consumer = OurConsumer

    app.transport = OurTransport(app.conf.broker_consumer, app)
    app.agent(app.topic(topic))(ignore)
    async with running(app) as consumer:
        assert isinstance(consumer, OurConsumer)
