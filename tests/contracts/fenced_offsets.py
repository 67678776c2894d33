"""TxnOffsetCommit v3: source offsets with the generation and member id that KIP-447 fences by.

aiokafka ends at v0. Here v3 is added on the hooks that the worker's producer leans on, so that the contract tests say
what the broker and aiokafka do with it.
"""

from collections import defaultdict
from typing import Any

from aiokafka.client import CoordinationType
from aiokafka.errors import for_code
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata, TopicPartition

TEXT = CompactString("utf-8")
NO_LEADER_EPOCH = -1
Handler: Any = TxnOffsetCommitHandler


class TxnOffsetCommitResponseV3(Response):
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", TEXT),
                (
                    "partition_errors",
                    CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitRequestV3(RequestStruct):
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = TxnOffsetCommitResponseV3
    SCHEMA = Schema(
        ("transactional_id", TEXT),
        ("group_id", TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", TEXT),
        ("group_instance_id", TEXT),
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class FencedTxnOffsetCommit(Request[TxnOffsetCommitRequestV3]):
    API_KEY = 28

    def __init__(self, *fields: Any) -> None:
        self.fields = fields

    def build(self, request_struct_class: type[TxnOffsetCommitRequestV3]) -> TxnOffsetCommitRequestV3:
        return request_struct_class(*self.fields, {})


def fence_offsets(producer: Any, generation: int, member_id: str, *, abortable: bool = False) -> None:
    """The producer's next offsets carry this generation and member id.

    A refusal goes aiokafka's own way, fatal to the producer, unless `abortable`: then it is treated as aiokafka treats
    a missing authorization, and the producer lives on.
    """
    sender = producer._sender
    transaction = producer._txn_manager

    async def commit(offsets: dict[TopicPartition, OffsetAndMetadata], group_id: str) -> None:
        handler: Any = Handler(sender, offsets, group_id)
        accept = handler.handle_response

        def create_request() -> FencedTxnOffsetCommit:
            topics: dict[str, list[tuple[int, int, int, str, dict[int, bytes]]]] = defaultdict(list)
            for tp, offset in sorted(offsets.items()):
                topics[tp.topic].append((tp.partition, offset.offset, NO_LEADER_EPOCH, offset.metadata, {}))
            return FencedTxnOffsetCommit(
                transaction.transactional_id,
                group_id,
                transaction.producer_id,
                transaction.producer_epoch,
                generation,
                member_id,
                None,
                [(topic, partitions, {}) for topic, partitions in topics.items()],
            )

        def handle_response(response: Any) -> float | None:
            response.errors = [(topic, [(p, code) for p, code, _ in answers]) for topic, answers, _ in response.errors]
            refused = [code for _, answers in response.errors for _, code in answers if code]
            if refused and abortable:
                transaction.error_transaction(for_code(refused[0])())
                return None
            backoff_s: float | None = accept(response)
            return backoff_s

        handler.create_request, handler.handle_response = create_request, handle_response
        await handler.do(await sender._find_coordinator(CoordinationType.GROUP, group_id))

    sender._do_txn_offset_commit = commit
