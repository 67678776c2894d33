"""Partitions that get users by two partitioners: there, a user's events may lie in two partitions, as two half users.

Kafka's Java clients and ours choose a key's partition by murmur2, librdkafka's (Python, Go, .NET, PHP, Ruby) by CRC32.
Either alone is fine. A partition that has users of the one that the other would have sent elsewhere, and the
reverse, gets both.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streams.kafka.reader import crc32_partition_of, partition_of
from streams.schema.record import key_id

log = logging.getLogger(__name__)

_USERS_PER_BATCH = 20  # murmur2 takes some microseconds in Python


class MixedPartitioners:
    """Looks at users who are new in a partition, and logs once for each partition that gets them by both."""

    def __init__(self, topic: str, partitions: int) -> None:
        self._topic = topic
        self._partitions = partitions
        self._murmur2: dict[int, bytes] = {}  # partition → key of a user whom only murmur2 sends there
        self._crc32: dict[int, bytes] = {}
        self._logged: set[int] = set()

    def look(self, partition: int, keys: Sequence[bytes]) -> None:
        """Takes the keys, as they were sent, of users without a row before this batch."""
        if partition in self._logged:
            return
        for key in keys[:_USERS_PER_BATCH]:
            by_murmur2 = partition_of(key, self._partitions) == partition
            by_crc32 = crc32_partition_of(key, self._partitions) == partition
            if by_murmur2 and not by_crc32:
                self._murmur2.setdefault(partition, key)
            elif by_crc32 and not by_murmur2:
                self._crc32.setdefault(partition, key)
        if partition in self._murmur2 and partition in self._crc32:
            self._logged.add(partition)
            log.warning(
                "%s partition %d gets users of two partitioners (murmur2: %r, CRC32: %r): a user of both producers has "
                "rows in two partitions, each with a part of the events. Set partitioner=murmur2_random in producers "
                "of librdkafka (confluent-kafka for Python, Go, .NET; PHP, Ruby, Node)",
                self._topic,
                partition,
                key_id(self._murmur2[partition]),
                key_id(self._crc32[partition]),
            )
