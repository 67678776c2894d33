"""The options that every aiokafka client of ours is made with: where the brokers are, and how ours compress.

One function, so that no client can be left out when a cluster asks for TLS or a password.
"""

from __future__ import annotations

from typing import Any

from streams.settings.sections import KafkaSettings


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Options of a consumer, a producer, an admin client or a plain client."""
    return {"bootstrap_servers": kafka.bootstrap_servers}


def producer_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Options of a producer: those of every client, and the codec of its batches."""
    return {**client_options(kafka), "compression_type": None if kafka.compression == "none" else kafka.compression}
