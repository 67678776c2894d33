"""A hash chain over the ids of a user's applied events: shows any lost, repeated or reordered event exactly."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

CHAIN_BYTES = 16


def advance_chain(chain: bytes, event_ids: Iterable[bytes]) -> bytes:
    """The hash chain after these events: chain = BLAKE2b-128(chain + event_id), once per id.

    Advancing by all ids at once equals advancing id by id. The chain of a new row is 16 zero bytes.
    """
    for event_id in event_ids:
        chain = blake2b(chain + event_id, digest_size=CHAIN_BYTES).digest()
    return chain
