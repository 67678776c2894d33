"""Parts of a model as records: cut into chunks that a record holds, each with the part's hash, and joined again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from streams.kafka.transaction import ProducerRecord

MANIFEST_KEY: Final = "manifest"
"""Key of the envelope, which is cut as parts are"""
MAX_KEY_BYTES: Final = 128
_KEY: Final = re.compile(rb"(.+)#(\d{1,9})", re.DOTALL)
_COUNT: Final = re.compile(rb"[1-9]\d{0,8}")
_HASH_HEADER: Final = "sha256"
_CHUNKS_HEADER: Final = "chunks"
_OVERHEAD_BYTES: Final = 512  # of a batch of one record: frame, key and headers
_MAX_CHUNK_BYTES: Final = 1 << 20  # a segment of the topic holds many, however large records may be


class PartEntry(NamedTuple):
    """What is remembered of a part instead of its bytes."""

    sha256: bytes
    chunks: int


def chunk_bytes(max_record_bytes: int) -> int:
    """The most bytes of a chunk whose record is within kafka.max_record_bytes."""
    return min(max_record_bytes, _MAX_CHUNK_BYTES) - _OVERHEAD_BYTES


def chunk_key(key: str, index: int) -> bytes:
    """The record's key."""
    return f"{key}#{index}".encode()


def split_part(key: str, part: bytes, size: int) -> tuple[PartEntry, list[ProducerRecord]]:
    """The part as records of at most `size` bytes, at least one. Raises ValueError for a key that no part may have."""
    if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"the key of a part has 1 to {MAX_KEY_BYTES} bytes: {key!r}")
    chunks = [part[start : start + size] for start in range(0, len(part), size)] or [b""]
    entry = PartEntry(hashlib.sha256(part).digest(), len(chunks))
    headers = [(_HASH_HEADER, entry.sha256), (_CHUNKS_HEADER, str(entry.chunks).encode())]
    return entry, [ProducerRecord(chunk_key(key, index), chunk, headers) for index, chunk in enumerate(chunks)]


def removal(key: str, first: int, end: int) -> list[ProducerRecord]:
    """The tombstones of a part's chunks from `first` to before `end`."""
    return [ProducerRecord(chunk_key(key, index), None) for index in range(first, end)]


class ChunkError(ValueError):
    """A chunk that does not continue its part, or completes one that is not what its hash is of."""


def parse_key(record_key: bytes | None) -> tuple[str, int]:
    """A part's key, and the chunk's index in it. Raises ChunkError for the key of no chunk."""
    match = _KEY.fullmatch(record_key or b"")
    if match is None:
        raise ChunkError("a record that no trainer writes")
    try:
        return match[1].decode(), int(match[2])
    except UnicodeDecodeError as error:
        raise ChunkError("a record whose key is not UTF-8") from error


class PartChunks:
    """The chunks of one part as they are read, in order."""

    def __init__(self, headers: Sequence[tuple[str, bytes | None]]) -> None:
        """Raises ChunkError where the headers are not those of a chunk."""
        self.entry = _entry(headers)
        self._hash = hashlib.sha256()
        self._chunks: list[bytes] = []

    def add(self, index: int, headers: Sequence[tuple[str, bytes | None]], chunk: bytes) -> bytes | None:
        """The part, once all chunks are there; None before. Raises ChunkError."""
        if index != len(self._chunks):
            raise ChunkError(f"chunk {index} came where chunk {len(self._chunks)} belongs")
        if _entry(headers) != self.entry:
            raise ChunkError(f"chunk {index} is of another part than chunk 0")
        self._hash.update(chunk)
        self._chunks.append(chunk)
        if len(self._chunks) < self.entry.chunks:
            return None
        if self._hash.digest() != self.entry.sha256:
            raise ChunkError("its bytes are not those that its SHA-256 is of")
        return b"".join(self._chunks)


def _entry(headers: Sequence[tuple[str, bytes | None]]) -> PartEntry:
    values = dict(headers)
    sha256, chunks = values.get(_HASH_HEADER), values.get(_CHUNKS_HEADER)
    if sha256 is None or len(sha256) != 32 or chunks is None or _COUNT.fullmatch(chunks) is None:
        raise ChunkError("a record without the headers of a chunk")
    return PartEntry(sha256, int(chunks))
