"""Faust's agents: what becomes of a record that fails, and what becomes of the agent.

That `exactly_once` counts a few events twice after a kill -9 is not pinned: it shows in one run and not in the next.
The worker does not use it.
"""

import logging
from pathlib import Path
from typing import Any

import faust
import pytest

from tests.contracts.cluster import Cluster, until
from tests.contracts.faust_app import new_app, running


def actor_tasks(agent: Any) -> list[Any]:
    return [actor.actor_task for actor in agent._actors]


async def test_one_undecodable_record_ends_an_agent_that_takes_without_a_word(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So records are bytes to Faust, each is decoded on its own by us, and `take` is not used.

    The record is committed, the agent's task has ended without an exception, and later records wait for nobody. When it
    fails: `take` survives bad records; raw bytes stay right, since only they can be dead-lettered as they came.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    taken: set[str] = set()

    async def take(stream: Any) -> None:
        async for values in stream.take(10, within=0.1):
            taken.update(values)

    agent = app.agent(app.topic(topic, value_type=str))(take)
    async with running(app):
        await cluster.send(topic, [b'"a"'])
        await until(lambda: taken)
        [task] = actor_tasks(agent)
        caplog.clear()
        await cluster.send(topic, [b"{"])
        await until(task.done)
        await cluster.send(topic, [b'"c"'])
        await until(lambda: cluster.at_least_committed(app.conf.id, topic, 2))
        assert task.exception() is None
        assert actor_tasks(agent) == [task]
        assert taken == {"a"}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("acknowledge", [True, False])
async def test_an_exception_in_an_agent_skips_its_record(cluster: Cluster, tmp_path: Path, acknowledge: bool) -> None:
    """So no exception leaves the agent: an unexpected one ends the process before anything is visible.

    Faust starts the agent anew behind the record and, unless `noack()`, commits past it. When it fails: Faust may
    stop or repeat the record; ending the process stays right.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    seen: list[str] = []

    async def fail(stream: Any) -> None:
        async for event in (stream if acknowledge else stream.noack()).events():
            seen.append(event.value)
            if event.value == "bad":
                raise ValueError(event.value)

    app.agent(app.topic(topic, value_type=str))(fail)
    async with running(app):
        await cluster.send(topic, [b'"a"', b'"bad"', b'"c"'])
        await until(lambda: len(seen) == 3)
        if acknowledge:
            await until(lambda: cluster.at_least_committed(app.conf.id, topic, 3))
    assert seen == ["a", "bad", "c"]
    assert await cluster.committed(app.conf.id, topic) == (3 if acknowledge else None)


async def test_a_table_cannot_be_written_inside_take(cluster: Cluster, tmp_path: Path) -> None:
    """Why state is not a Faust table: a batch of values has no current event to write under.

    When it fails: tables can be written in batches; the transaction and the restore still speak against them.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    table: Any = app.Table("counts", default=int, partitions=1)
    refusals: list[str] = []

    async def count(stream: Any) -> None:
        async for values in stream.take(10, within=0.1):
            try:
                table["seen"] += len(values)
            except TypeError as refusal:
                refusals.append(str(refusal))

    app.agent(app.topic(topic, value_type=str))(count)
    async with running(app):
        await cluster.send(topic, [b'"a"'])
        await until(lambda: refusals)
    assert refusals == ["Cannot modify table key from outside of stream iteration"]


async def test_a_schema_of_our_own_hands_the_message_on_untouched(cluster: Cluster, tmp_path: Path) -> None:
    """`Schema.compile(app, ...)` gives the decoder of each message; ours puts the batch into the event as it is.

    When it fails: batches reach Faust's own decoder, which takes them for bytes; find where the decoder is chosen.
    """
    topic, app = await cluster.create_topic(), new_app(cluster, datadir=tmp_path)
    values: list[tuple[int, bytes]] = []
    generations: set[int] = set()

    class Untouched(faust.Schema[Any, Any]):
        def compile(self, app: Any, **_: Any) -> Any:
            async def decode(message: Any, *, propagate: bool = False) -> Any:
                return app.create_event(None, (message.offset, message.value), message.headers, message)

            return decode

    async def keep(stream: Any) -> None:
        async for event in stream.noack().events():
            values.append(event.value)
            generations.add(event.message.generation_id)

    app.agent(app.topic(topic, schema=Untouched()))(keep)
    async with running(app):
        await cluster.send(topic, [b"{", b"\xff", b"x"])
        await until(lambda: len(values) == 3)
        assert values == [(0, b"{"), (1, b"\xff"), (2, b"x")]
        assert generations == {app.consumer_generation_id}
