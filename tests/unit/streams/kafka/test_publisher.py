import pytest

from streams.kafka import reader
from streams.kafka.publisher import Publisher
from streams.kafka.reader import PartitionOfKey, partition_of
from streams.settings.sections import KafkaSettings


async def test_partitions_are_remembered_of_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CACHED_KEYS", 10)
    topic = Publisher(KafkaSettings(), "events")
    topic._partition_of = PartitionOfKey(3)
    sent: dict[int, list[bytes]] = {}

    async def record(partition: int, records: list[tuple[bytes, bytes]], headers: object) -> None:
        sent.setdefault(partition, []).extend(key for key, _ in records)

    monkeypatch.setattr(topic, "_send", record)
    keys = [str(n % 37).encode() for n in range(100)]
    await topic.send([(key, b"") for key in keys])
    assert len(topic._partition_of) <= 10
    assert {key: partition for partition, part in sent.items() for key in part} == {
        key: partition_of(key, 3) for key in keys
    }
