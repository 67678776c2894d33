"""The envelope around a release's manifest: what the release holds, what it covers, and hashes by which it is checked.

The last record of a release. Its cost is that of what changed: one number, the digest, is of all parts of the model.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from streams.releases.chunks import PartEntry

FORMAT: Final = 1
_MODULUS: Final = 1 << 256


class ReleaseEnvelope(msgspec.Struct, frozen=True):
    """The value of the record `manifest`, in JSON."""

    format: int
    number: int
    writer: str
    written_ms: int
    changelog_ids: dict[int, str]
    covered: dict[int, int]  # partition of the changelog → next offset
    parts: dict[str, str]  # SHA-256 of each part of this release, in hexadecimal
    removed: list[str]
    keys: int  # parts of the whole model
    digest: str  # of the whole model
    manifest: msgspec.Raw

    @property
    def lists_all(self) -> bool:
        """Whether this release holds the whole model."""
        return len(self.parts) == self.keys

    def encode(self) -> bytes:
        """Its bytes."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> ReleaseEnvelope:
        """The envelope of these bytes. Raises ValueError for one that this program does not read."""
        try:
            version = msgspec.json.decode(data, type=_Version).format
            if version != FORMAT:
                raise ValueError(f"releases of format {version}, this program reads {FORMAT}: upgrade it")
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"is not a manifest: {error}") from error


class _Version(msgspec.Struct):
    format: int


class ModelDigest:
    """A digest of all parts by their keys and hashes, kept as parts change: the sum of their hashes, modulo 2^256."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, key: str, entry: PartEntry) -> None:
        """The model has the part now."""
        self._sum = (self._sum + _term(key, entry)) % _MODULUS

    def remove(self, key: str, entry: PartEntry) -> None:
        """It has the part no more."""
        self._sum = (self._sum - _term(key, entry)) % _MODULUS

    def hex(self) -> str:
        """In hexadecimal."""
        return f"{self._sum:064x}"


def _term(key: str, entry: PartEntry) -> int:
    return int.from_bytes(hashlib.sha256(entry.sha256 + key.encode()).digest())
