"""Offsets in a transaction that the consumer group's generation fences (KIP-447), which aiokafka does not offer.

aiokafka 0.14 sends TxnOffsetCommit v0: the broker then checks only the producer, so that a worker which was frozen,
expelled and woken up again could still commit. Version 3 carries generation and member id, and the broker refuses
stale ones.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata, TopicPartition

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerGroupMetadata:
    """Generation and member id of a worker in its consumer group, when its partitions were assigned (KIP-447).

    Raises ValueError without a generation or member id: the broker would accept an offset commit that names none.
    """

    group_id: str
    generation: int
    member_id: str

    def __post_init__(self) -> None:
        if self.generation < 0 or not self.member_id or not self.group_id:
            raise ValueError(f"not a member of a consumer group: {self}")


@dataclass(frozen=True, slots=True)
class EmptyGroup:
    """A consumer group in which nobody is a member, for tools that set the offsets of a stopped group.

    The broker accepts the offsets whether it has members or not: who writes them looks for members in the transaction,
    after its records and before its commit.
    """

    group_id: str

    @property
    def generation(self) -> int:
        """That of nobody."""
        return -1

    @property
    def member_id(self) -> str:
        """Of nobody. Brokers before 4.0 refuse any other name, even where the group is empty."""
        return ""


class TxnOffsetCommitResponseV3(Response):
    """The broker's answer, partition by partition."""

    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitRequestV3(RequestStruct):
    """Offsets with the group member that commits them, on the wire."""

    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = TxnOffsetCommitResponseV3
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("group_id", CompactString("utf-8")),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", CompactString("utf-8")),
        ("group_instance_id", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class FencedTxnOffsetCommit(Request[TxnOffsetCommitRequestV3]):
    """The request in the only version that fences; there is no fallback for a broker without it."""

    API_KEY = 28

    def __init__(self, fields: tuple[Any, ...]) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[TxnOffsetCommitRequestV3]) -> TxnOffsetCommitRequestV3:
        """The struct that goes over the wire."""
        return request_struct_class(*self._fields)


class _Response:
    """A v3 response in the form that aiokafka's handler reads (v0)."""

    def __init__(self, response: Any) -> None:
        self.errors = [(topic, [(p, code) for p, code, _ in partitions]) for topic, partitions, _ in response.errors]


class FencedCommitHandler(TxnOffsetCommitHandler):
    """Sends offsets with the group metadata; the broker's answer is handled as aiokafka does."""

    def __init__(
        self,
        sender: Sender,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group_metadata: ConsumerGroupMetadata | EmptyGroup,
    ) -> None:
        super().__init__(sender, offsets, group_metadata.group_id)
        self._group_metadata = group_metadata

    def create_request(self) -> FencedTxnOffsetCommit:
        """The offsets by topic, with generation and member id."""
        topics: dict[str, list[tuple[int, int, int, str, dict[int, bytes]]]] = defaultdict(list)
        for tp, offset in sorted(self._offsets.items()):
            topics[tp.topic].append((tp.partition, offset.offset, -1, offset.metadata, {}))
        manager, member = self._sender._txn_manager, self._group_metadata
        rows: list[Any] = [(topic, partitions, {}) for topic, partitions in topics.items()]
        return FencedTxnOffsetCommit(
            (
                manager.transactional_id,
                member.group_id,
                manager.producer_id,
                manager.producer_epoch,
                member.generation,
                member.member_id,
                None,
                rows,
                {},
            )
        )

    def handle_response(self, resp: Any) -> float | None:
        """Seconds to wait before another try; None when the broker has accepted the offsets. Raises its refusal."""
        backoff: float | None = super().handle_response(_Response(resp))
        return backoff


class _FencedSender(Sender):
    """aiokafka's sender, whose offset commits name a group member."""

    group_metadata: ConsumerGroupMetadata | EmptyGroup | None = None

    async def _do_txn_offset_commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str) -> None:
        if not offsets:
            return
        if self.group_metadata is None or self.group_metadata.group_id != group_id:
            raise RuntimeError("offsets are sent only through FencedProducer.send_offsets")
        node_id = await self._find_coordinator(CoordinationType.GROUP, group_id)
        await FencedCommitHandler(self, offsets, self.group_metadata).do(node_id)


class FencedProducer(AIOKafkaProducer):
    """A transactional producer whose offset commits are refused once the group has moved on.

    After any error in a transaction it is to be thrown away: aiokafka's abort sends nothing after a refused commit,
    and the next commit would make the refused rows visible. A new producer with the same id ends the transaction.
    """

    def __init__(
        self, *, transactional_id: str, request_timeout_ms: int, retry_backoff_ms: int, **options: Any
    ) -> None:
        super().__init__(
            transactional_id=transactional_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            **options,
        )
        self._sender: _FencedSender = _FencedSender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            retry_backoff_ms=retry_backoff_ms,
            message_accumulator=self._message_accumulator,
            request_timeout_ms=request_timeout_ms,
        )

    async def send_offsets(
        self,
        offsets: Mapping[TopicPartition, int | tuple[int, str]],
        group_metadata: ConsumerGroupMetadata | EmptyGroup,
    ) -> None:
        """Adds the offsets to the transaction; raises when the broker refuses the generation or member id."""
        self._sender.group_metadata = group_metadata
        await super().send_offsets_to_transaction(offsets, group_metadata.group_id)

    async def send_offsets_to_transaction(self, offsets: Any, group_id: str) -> None:
        """Refused: the broker accepts offsets without group metadata from anybody."""
        raise RuntimeError("use send_offsets: it names the member whose offsets they are")

    async def discard(self) -> None:
        """Closes a failed producer; its error was raised before and is not reported again."""
        try:
            await self.stop()
        except (KafkaError, AssertionError) as error:
            log.debug("the failed producer closed with %r", error)
        accumulator = self._message_accumulator
        batches = [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]
        for waiter in (self._txn_manager._transaction_waiter, *(batch._drain_waiter for batch in batches)):
            if waiter is not None and waiter.done() and not waiter.cancelled():
                waiter.exception()
