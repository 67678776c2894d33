"""The requests of aiokafka: the versions that it speaks to this broker, and how one of our own is added."""

import inspect
from typing import Any

import pytest
from aiokafka import TopicPartition, protocol
from aiokafka.conn import AIOKafkaConnection
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.protocol.api import Request
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchRequest_v3
from aiokafka.protocol.transaction import TxnOffsetCommitRequest, TxnOffsetCommitRequest_v0
from aiokafka.protocol.types import CompactArray, CompactString, Int32, TaggedFields

from streams.kafka.fenced_producer import FencedTxnOffsetCommit, TxnOffsetCommitRequestV3
from tests.contracts.cluster import Cluster, until
from tests.contracts.fenced_offsets import fence_offsets


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Version of each request that goes over the wire, by class name; filled while the test runs."""
    seen: dict[str, int] = {}
    send: Any = AIOKafkaConnection.send

    def spy(connection: Any, request: Any, expect_response: bool = True) -> Any:
        seen[type(request).__name__] = request.prepare(connection._versions).API_VERSION
        return send(connection, request, expect_response)

    monkeypatch.setattr(AIOKafkaConnection, "send", spy)
    return seen


async def test_the_versions_spoken_to_this_broker(cluster: Cluster, versions: dict[str, int]) -> None:
    """TxnOffsetCommit v0 carries no generation, OffsetFetch v3 no require_stable, the group protocol is classic.

    So v3 of the first is added by us, the offset row is the truth rather than the committed offset, and a rebalance
    stops every member. When it fails with TxnOffsetCommit at 3 or more: drop our request class.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    tp = TopicPartition(topic, 0)
    async with cluster.consumer(topic, group_id=group, heartbeat_interval_ms=50) as consumer:
        async with cluster.producer(cluster.name("txn")) as producer, producer.transaction():
            await producer.send_and_wait(topic, b"row")
            await producer.send_offsets_to_transaction({tp: 1}, group)
        await consumer.getmany(tp, timeout_ms=2000)
        await until(lambda: "HeartbeatRequest" in versions)
    expected = {
        "JoinGroupRequest": 5,
        "SyncGroupRequest": 3,
        "HeartbeatRequest": 1,
        "OffsetFetchRequest": 3,
        "FetchRequest": 11,
        "InitProducerIdRequest": 0,
        "AddPartitionsToTxnRequest": 0,
        "AddOffsetsToTxnRequest": 0,
        "TxnOffsetCommitRequest": 0,
        "EndTxnRequest": 0,
        "ProduceRequest": 7,
    }
    assert {name: version for name, version in versions.items() if name in expected} == expected
    assert "ConsumerGroupHeartbeatRequest" not in versions


def test_aiokafka_knows_no_newer_version_of_the_offset_requests() -> None:
    """Nothing can be gained by a setting: the classes are not there.

    When it fails: see whether the new versions carry generation (TxnOffsetCommit v3) and require_stable (OffsetFetch
    v7).
    """
    assert list(TxnOffsetCommitRequest._CLASSES) == [TxnOffsetCommitRequest_v0]
    assert OffsetFetchRequest._CLASSES[-1] is OffsetFetchRequest_v3
    assert "require_stable" not in OffsetFetchRequest_v3.SCHEMA.names
    assert not any("consumer_group" in name.lower() for name in dir(protocol))


async def test_our_version_goes_over_the_wire_through_the_producers_own_sender(
    cluster: Cluster, versions: dict[str, int]
) -> None:
    """`Request[Struct]` with an API_KEY makes a versioned request; the sender calls its own `_do_txn_offset_commit`.

    The fence of the write path is this replacement. When it fails: offsets go out without generation, silently; find
    the new place where the sender makes its handler before anything else.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    async with cluster.producer(cluster.name("txn")) as producer:
        fence_offsets(producer, -1, "")
        async with producer.transaction():
            await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)
    assert versions["FencedTxnOffsetCommit"] == 3
    assert "TxnOffsetCommitRequest" not in versions
    assert list(FencedTxnOffsetCommit._CLASSES) == [TxnOffsetCommitRequestV3]


def test_the_hooks_of_sender_and_handler_keep_their_signatures() -> None:
    """Our sender and handler stand in for aiokafka's, made and called as those are.

    When it fails: adapt ours to the new shape.
    """

    def parameters(function: Any) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(TxnOffsetCommitHandler.__init__) == ["self", "sender", "offsets", "group_id"]
    assert parameters(TxnOffsetCommitHandler.create_request) == ["self"]
    assert parameters(TxnOffsetCommitHandler.handle_response) == ["self", "resp"]
    assert parameters(TxnOffsetCommitHandler.do) == ["self", "node_id"]
    assert parameters(Sender._do_txn_offset_commit) == ["self", "offsets", "group_id"]
    assert parameters(Sender._find_coordinator) == ["self", "coordinator_type", "coordinator_key"]
    assert parameters(Request.prepare) == ["self", "versions"]
    assert parameters(Sender.__init__) == [
        "self",
        "client",
        "acks",
        "txn_manager",
        "message_accumulator",
        "retry_backoff_ms",
        "request_timeout_ms",
    ]


async def test_the_producer_shows_its_sender_and_its_producer_id(cluster: Cluster) -> None:
    """`_sender`, `_txn_manager` with id, producer id and epoch: what a request of our own must name.

    When it fails: find where the producer keeps them now. A restart with the same id raises the epoch by one.
    """
    transactional_id = cluster.name("txn")
    epochs = []
    for _ in range(2):
        async with cluster.producer(transactional_id) as producer:
            assert isinstance(producer._sender, Sender)
            assert producer._sender._txn_manager is producer._txn_manager
            assert producer._txn_manager.transactional_id == transactional_id
            assert producer._txn_manager.producer_id >= 0
            epochs.append(producer._txn_manager.producer_epoch)
    assert epochs == [0, 1]


def test_the_types_of_flexible_versions_are_there() -> None:
    """CompactString, CompactArray and TaggedFields spare us an encoder of our own.

    When it fails: encode v3 by hand; it is lengths as unsigned varints plus one.
    """
    text: Any = CompactString("utf-8")
    assert text.encode("ab") == b"\x03ab"
    assert text.encode(None) == b"\x00"
    assert CompactArray(("number", Int32), ("tags", TaggedFields)).encode([(7, {})]) == b"\x02\x00\x00\x00\x07\x00"
    assert TaggedFields.encode({}) == b"\x00"


async def test_a_heartbeat_tells_whether_we_are_current(cluster: Cluster) -> None:
    """Before a foreign id is ended, `coordinator._do_heartbeat()` must be True and leave our generation as it is.

    A refused one is False and resets both, so that the member joins anew. While a rebalance goes on it is True: the
    generation is current until the member has joined the next one (see test_group_fencing). When it fails: send a
    HeartbeatRequest with the snapshot by `coordinator._send_req`.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    async with cluster.consumer(topic, group_id=group) as consumer:
        coordinator = consumer._coordinator
        generation, member_id = coordinator.generation, coordinator.member_id
        assert await coordinator._do_heartbeat()
        assert (coordinator.generation, coordinator.member_id) == (generation, member_id)

        coordinator.generation = generation + 1
        assert not await coordinator._do_heartbeat()
        assert (coordinator.generation, coordinator.member_id) == (-1, "")
