"""Record batches as they lie in a broker's segment files: to see how they are compressed, and to damage them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.local_kafka.cluster import LocalKafka

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
ATTRIBUTES: Final = struct.calcsize(">qiibI")
HEADER_BYTES: Final = _HEADER.size


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch: where it begins in the file, its bytes with the header, and what the header says."""

    position: int
    size: int
    base_offset: int
    last_offset: int
    codec: str
    is_control: bool


def segment(kafka: LocalKafka, topic: str, partition: int = 0) -> Path:
    """The only segment of the partition on the first node."""
    (file,) = (kafka.nodes[0].folder / "data" / f"{topic}-{partition}").glob("*.log")
    return file


def stored_batches(file: Path) -> list[StoredBatch]:
    """The batches of a segment, in order."""
    data, position, batches = file.read_bytes(), 0, []
    while position + HEADER_BYTES <= len(data):
        base, length, _, _, _, attributes, last_delta, *_ = _HEADER.unpack_from(data, position)
        if length <= 0:
            break  # preallocated
        batches.append(
            StoredBatch(position, 12 + length, base, base + last_delta, CODECS[attributes & 7], bool(attributes & 0x20))
        )
        position += 12 + length
    return batches


def overwrite(file: Path, position: int, data: bytes) -> None:
    """Replaces bytes of the file in place: the broker sends what lies there."""
    with file.open("r+b") as stream:
        stream.seek(position)
        stream.write(data)
