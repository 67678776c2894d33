"""Requests that another partitioner than that of the events has put into a partition: there, their user is unknown."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from streams.kafka.reader import crc32_partition_of, partition_of

log = logging.getLogger(__name__)

_MOST_LOOKS = 1000


class RequestPartitioner:
    """Looks at requests of users without a prediction, and logs once where their producers need another partitioner."""

    def __init__(self, topic: str, partitions: int) -> None:
        self._topic = topic
        self._partitions = partitions
        self._looks = _MOST_LOOKS  # murmur2 takes some microseconds in Python

    def look(self, partition: int, user: bytes, known_users: Iterable[bytes]) -> None:
        """`known_users` are users whose predictions are in the partition: some of them are enough."""
        if self._looks == 0 or not (by := self._partitioners(user, partition)):
            return
        self._looks -= 1
        for known in known_users:
            expected = self._partitioners(known, partition)
            if expected and not by & expected:
                self._looks = 0
                log.warning(
                    "%s partition %d gets users by %s, and events come by %s: their users are unknown there, and "
                    "slates without candidates are empty. Set partitioner=murmur2_random in producers of librdkafka "
                    "(confluent-kafka for Python, Go, .NET; PHP, Ruby, Node)",
                    self._topic,
                    partition,
                    *by,
                    *expected,
                )
                return

    def _partitioners(self, user: bytes, partition: int) -> set[str]:
        """Which of the two send the user here, where it is one alone; empty where it is both or none."""
        matching = {
            name
            for name, of in (("murmur2", partition_of), ("CRC32", crc32_partition_of))
            if of(user, self._partitions) == partition
        }
        return matching if len(matching) == 1 else set()
