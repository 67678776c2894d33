import pytest

from streams.kafka.fenced_producer import ConsumerGroupMetadata, FencedProducer


@pytest.mark.parametrize(("group", "generation", "member"), [("g", -1, "m"), ("g", 3, ""), ("", 3, "m")])
def test_group_metadata_needs_group_generation_and_member(group: str, generation: int, member: str) -> None:
    with pytest.raises(ValueError, match="not a member"):
        ConsumerGroupMetadata(group, generation, member)


async def test_offsets_are_not_sent_without_group_metadata() -> None:
    producer = FencedProducer(transactional_id="t", request_timeout_ms=1000, retry_backoff_ms=10)
    with pytest.raises(RuntimeError, match="names the member"):
        await producer.send_offsets_to_transaction({}, "g")
    await producer.client.close()
    producer._closed = True
