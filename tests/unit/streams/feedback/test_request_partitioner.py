import logging

import pytest

from streams.feedback.request_partitioner import RequestPartitioner
from streams.kafka.reader import crc32_partition_of, partition_of

USERS = [f"u{number}".encode() for number in range(200)]


def users_here(murmur2: bool, crc32: bool) -> list[bytes]:
    """Users whom these of the two partitioners, and no other, send to partition 3 of 8."""
    return [
        user for user in USERS if (partition_of(user, 8) == 3, crc32_partition_of(user, 8) == 3) == (murmur2, crc32)
    ]


@pytest.mark.parametrize("asked_by_murmur2", [True, False])
def test_requests_by_another_partitioner_than_the_events_are_a_warning(
    asked_by_murmur2: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asking = users_here(murmur2=asked_by_murmur2, crc32=not asked_by_murmur2)
    known = users_here(murmur2=not asked_by_murmur2, crc32=asked_by_murmur2)
    partitioner = RequestPartitioner("decision-requests", 8)
    with caplog.at_level(logging.WARNING):
        for user in asking[:3]:
            partitioner.look(3, user, known)
    (record,) = caplog.records
    by, expected = ("murmur2", "CRC32") if asked_by_murmur2 else ("CRC32", "murmur2")
    assert f"decision-requests partition 3 gets users by {by}, and events come by {expected}" in record.message


def test_new_users_of_one_partitioner_are_none(caplog: pytest.LogCaptureFixture) -> None:
    partitioner = RequestPartitioner("decision-requests", 8)
    for murmur2 in (True, False):
        here = users_here(murmur2=murmur2, crc32=not murmur2)
        for user in here:
            partitioner.look(3, user, [*here, *users_here(murmur2=True, crc32=True)])
            partitioner.look(3, user, [])
    assert caplog.records == []
