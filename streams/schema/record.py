"""The Kafka record that decoders and dead letters read, whatever client fetched it."""

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """The attributes of aiokafka's ConsumerRecord that the schema needs."""

    @property
    def topic(self) -> str:
        """Source topic."""

    @property
    def partition(self) -> int:
        """Source partition."""

    @property
    def offset(self) -> int:
        """Source offset."""

    @property
    def timestamp(self) -> int:
        """Record time, epoch ms."""

    @property
    def key(self) -> bytes | None:
        """Key as sent."""

    @property
    def value(self) -> bytes | None:
        """Value as sent; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers in their order; names may repeat."""
