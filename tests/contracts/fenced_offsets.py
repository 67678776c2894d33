"""Source offsets with any generation and member id, which ConsumerGroupMetadata rules out."""

from typing import Any, NamedTuple, cast

from aiokafka.client import CoordinationType
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.kafka.fenced_producer import ConsumerGroupMetadata, FencedCommitHandler


class Claim(NamedTuple):
    """A membership that need not be one."""

    group_id: str
    generation: int
    member_id: str


def fence_offsets(producer: Any, generation: int, member_id: str, *, abortable: bool = False) -> None:
    """The producer's next offsets carry this generation and member id.

    A refusal goes aiokafka's own way, fatal to the producer, unless `abortable`: then it is treated as aiokafka treats
    a missing authorization, and the producer lives on.
    """
    sender = producer._sender

    async def commit(offsets: dict[TopicPartition, OffsetAndMetadata], group_id: str) -> None:
        handler: Any = FencedCommitHandler(
            sender, offsets, cast(ConsumerGroupMetadata, Claim(group_id, generation, member_id))
        )
        accept = handler.handle_response

        def handle_response(response: Any) -> float | None:
            refused = [code for _, answers, _ in response.errors for _, code, _ in answers if code]
            if refused and abortable:
                producer._txn_manager.error_transaction(for_code(refused[0])())
                return None
            return cast(float | None, accept(response))

        handler.handle_response = handle_response
        await handler.do(await sender._find_coordinator(CoordinationType.GROUP, group_id))

    sender._do_txn_offset_commit = commit
