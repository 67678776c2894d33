"""What the broker does with source offsets that carry a group generation and a member id (KIP-447)."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalGenerationError, KafkaError, UnknownMemberIdError

from tests.contracts.cluster import Cluster, until
from tests.contracts.fenced_offsets import fence_offsets

NO_GENERATION = -1


async def joined(consumer: Any) -> tuple[int, str]:
    """Generation and member id once the group has given the consumer its partitions."""
    await until(consumer.assignment)
    return consumer._coordinator.generation, consumer._coordinator.member_id


async def commit_row(cluster: Cluster, topic: str, group: str, generation: int, member_id: str) -> None:
    """One transaction of a row and its source offset; raises what the broker answered to the offset."""
    async with cluster.producer(cluster.name("txn")) as producer:
        fence_offsets(producer, generation, member_id)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"row")
        try:
            await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)
        except KafkaError as error:
            raise (error.__cause__ or error) from None
        await producer.commit_transaction()


@pytest.mark.parametrize(
    ("generation_step", "member", "refusal"),
    [
        (-1, None, IllegalGenerationError),
        (+1, None, IllegalGenerationError),
        (0, "somebody-else", UnknownMemberIdError),
        (0, "", UnknownMemberIdError),
    ],
)
async def test_a_live_group_refuses_all_but_its_generation_and_member(
    cluster: Cluster, generation_step: int, member: str | None, refusal: type[Exception]
) -> None:
    """A frozen worker that comes back after a take-over is stopped by nothing else than this refusal.

    When it fails: the write path has no fence any more; release nothing until another one is found.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    async with cluster.consumer(topic, group_id=group) as consumer:
        generation, member_id = await joined(consumer)
        await commit_row(cluster, topic, group, generation, member_id)
        with pytest.raises(refusal):
            await commit_row(
                cluster, topic, group, generation + generation_step, member_id if member is None else member
            )
    assert await cluster.read_committed(topic, 1) == [b"row"]


async def test_a_generation_is_refused_by_an_empty_and_by_an_unknown_group(cluster: Cluster) -> None:
    """The last worker that comes back when all have left, or when the group has expired, is refused too.

    When it fails: a zombie may write once its group is gone; widen the wait for silence to the own id.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    async with cluster.consumer(topic, group_id=group) as consumer:
        generation, member_id = await joined(consumer)
    with pytest.raises(UnknownMemberIdError):
        await commit_row(cluster, topic, group, generation, member_id)
    with pytest.raises(IllegalGenerationError):
        await commit_row(cluster, topic, cluster.name("unknown"), generation, member_id)


async def test_without_a_generation_and_member_id_every_group_accepts(cluster: Cluster) -> None:
    """Offsets without generation ≥ 0 and member id fence nothing, so the types of the write path rule them out.

    Generation -1 with an empty member id is taken by an unknown, an empty and even a live group; with a foreign member
    id by an empty one. When it fails: the broker has become stricter; nothing breaks, and the rule may be loosened.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    await commit_row(cluster, topic, group, NO_GENERATION, "")
    await commit_row(cluster, topic, group, NO_GENERATION, "somebody-else")
    async with cluster.consumer(topic, group_id=group) as consumer:
        _, member_id = await joined(consumer)
        await commit_row(cluster, topic, group, NO_GENERATION, "")
        with pytest.raises(IllegalGenerationError):
            await commit_row(cluster, topic, group, NO_GENERATION, member_id)
    assert await cluster.read_committed(topic, 3) == [b"row"] * 3


async def test_the_generation_does_not_prove_ownership(cluster: Cluster) -> None:
    """A member may commit the offset of a partition, even of a topic, that it was never assigned.

    So owners are made in the assigned handler alone, never from a delivered batch. When it fails: the broker checks
    ownership, and the rule becomes a second lock instead of the only one.
    """
    topic, other, group = await cluster.create_topic(), await cluster.create_topic(), cluster.name("group")
    async with cluster.consumer(topic, group_id=group) as consumer:
        generation, member_id = await joined(consumer)
        await commit_row(cluster, other, group, generation, member_id)
    assert await cluster.read_committed(other, 1) == [b"row"]


class HeldRevocation(ConsumerRebalanceListener):
    """Holds the revoked handler until `let_go`, as a worker does that finishes its step first."""

    def __init__(self) -> None:
        self.revoking, self.let_go = asyncio.Event(), asyncio.Event()
        self.calls: list[tuple[str, int]] = []

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.calls.append(("revoked", len(list(revoked))))
        if len(self.calls) > 1:
            self.revoking.set()
            await self.let_go.wait()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.calls.append(("assigned", len(list(assigned))))


async def test_the_old_generation_holds_until_the_revoked_handler_returns(cluster: Cluster) -> None:
    """The step in work is finished inside the revoked handler, with the generation it began with.

    The group waits for this member: until its handler returns the newcomer has no partition and the offsets are
    accepted; then the generation moves on and the old one is refused. The first call, before the first join, revokes
    nothing.
    When it fails: a rebalance throws the step in work away; it must be handled as refused by generation.
    """
    topic, group = await cluster.create_topic(partitions=2), cluster.name("group")
    listener = HeldRevocation()
    timing = {"group_id": group, "heartbeat_interval_ms": 100, "session_timeout_ms": 6000}
    async with cluster.consumer(**timing) as member, cluster.consumer(**timing) as newcomer:
        member.subscribe([topic], listener=listener)
        generation, member_id = await joined(member)
        newcomer.subscribe([topic])
        await asyncio.wait_for(listener.revoking.wait(), 120)

        await commit_row(cluster, topic, group, generation, member_id)
        await asyncio.sleep(0.5)
        await commit_row(cluster, topic, group, generation, member_id)
        assert not newcomer.assignment()
        assert await member._coordinator._do_heartbeat(), "current to the group as well"
        assert member._coordinator.generation == generation

        listener.let_go.set()
        next_generation, _ = await joined(newcomer)
        assert next_generation > generation
        with pytest.raises(IllegalGenerationError):
            await commit_row(cluster, topic, group, generation, member_id)
        await until(lambda: len(listener.calls) == 4)
    assert listener.calls == [("revoked", 0), ("assigned", 2), ("revoked", 2), ("assigned", 1)]
