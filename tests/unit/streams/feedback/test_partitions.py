import logging
import shutil
from pathlib import Path

import pytest

from state.options import StoreMemory
from streams.feedback.feedback_store import FeedbackStore, StorePosition
from streams.feedback.partition_reader import PartitionReader
from streams.feedback.partitions import Partitions
from streams.feedback.topics import PolicyTopicIds
from streams.settings.settings import Settings

MEMORY = StoreMemory(8 << 20)
POSITION = StorePosition("c", 0, "p", 0)


@pytest.mark.asyncio
async def test_a_store_whose_folder_was_removed_keeps_no_other_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings()
    reader = PartitionReader(settings.kafka)
    partitions = Partitions(settings, reader, PolicyTopicIds(settings))
    for number in range(2):
        partitions.stores[number] = FeedbackStore(tmp_path / str(number), MEMORY, 60_000)
        partitions.stores[number].write({}, {b"u1": b"{}"}, POSITION)
    shutil.rmtree(tmp_path / "0")
    with caplog.at_level(logging.WARNING):
        await partitions.close()
    await reader.stop()
    assert partitions.stores == {}
    assert "nothing is lost" in caplog.text
    for number in range(2):
        again = FeedbackStore(tmp_path / str(number), MEMORY, 60_000)
        assert (again.position is None) == (number == 0)
        again.close()
