"""The oldest broker that this program works with, checked before anything else is asked of one."""

from __future__ import annotations

from typing import Any, Final

from streams.errors import KafkaVersionError

OLDEST_KAFKA: Final = "2.5"
_TXN_OFFSET_COMMIT: Final = 28
_FENCING_VERSION: Final = 3
"""The first of TxnOffsetCommit that names the group member (KIP-447): Kafka 2.5 has it, 2.4 does not"""


async def check_broker_version(client: Any, node: int) -> None:
    """Returns where the node is new enough. Raises KafkaVersionError otherwise, KafkaError where it does not answer."""
    connection = await client._get_conn(node)
    if connection is None:
        return  # gone: whatever is asked next says so
    _, newest = connection._versions.get(_TXN_OFFSET_COMMIT, (0, -1))
    if newest < _FENCING_VERSION:
        has = f"TxnOffsetCommit up to version {newest}" if newest >= 0 else "no TxnOffsetCommit"
        raise KafkaVersionError(
            f"the broker at {connection.host}:{connection.port} is older than Kafka {OLDEST_KAFKA} (it has {has}, and "
            f"version {_FENCING_VERSION} is needed): upgrade the brokers to Kafka {OLDEST_KAFKA} or newer"
        )
