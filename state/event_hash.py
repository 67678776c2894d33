"""The order-sensitive fingerprint of all events that a row has seen: exact where floats are not."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

CHAIN_BYTES = 16


def advance_chain(chain: bytes, event_ids: Iterable[bytes]) -> bytes:
    """The chain after these events: each link is the 128-bit BLAKE2b of the previous chain followed by the id.

    Advancing by all ids at once equals advancing id by id. The chain of a new row is 16 zero bytes.
    """
    for event_id in event_ids:
        chain = blake2b(chain + event_id, digest_size=CHAIN_BYTES).digest()
    return chain
