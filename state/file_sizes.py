"""Sizes of RocksDB's MANIFEST and write-ahead log files, so that a truncated file is noticed at the next opening.

RocksDB takes a MANIFEST, or a log before the newest, that ends too early for one that was never longer: rows vanish
while later rows, and the changelog position among them, stay. So every batch stores the sizes seen before it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_ENTRY = struct.Struct("<?QQ")  # is a MANIFEST, file number, bytes

FileSizes = dict[tuple[bool, int], int]
"""Size in bytes by (is a MANIFEST, file number); the other files are write-ahead logs."""


def file_sizes(folder: str | Path) -> FileSizes:
    """The present size of each MANIFEST and each log in the folder; empty if there is no folder."""
    sizes: FileSizes = {}
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return sizes
    with entries:
        for entry in entries:
            name = entry.name
            try:
                if name.startswith("MANIFEST-"):
                    sizes[True, int(name[9:])] = entry.stat().st_size
                elif name.endswith(".log"):
                    sizes[False, int(name[:-4])] = entry.stat().st_size
            except FileNotFoundError:
                continue  # flushed and deleted by RocksDB meanwhile
    return sizes


def pack_sizes(sizes: FileSizes) -> bytes:
    """The sizes as bytes, for `unpack_sizes`."""
    return b"".join(_ENTRY.pack(manifest, number, size) for (manifest, number), size in sizes.items())


def unpack_sizes(packed: bytes) -> FileSizes:
    """The sizes that `pack_sizes` packed."""
    return {(manifest, number): size for manifest, number, size in _ENTRY.iter_unpack(packed)}


def find_shortened(stored: FileSizes, present: FileSizes) -> str | None:
    """Describes the first file that is shorter now than the last batch stored; None if there is none.

    A missing file proves nothing: RocksDB deletes a log once its rows are flushed.
    """
    for (manifest, number), size in stored.items():
        present_size = present.get((manifest, number), size)
        if present_size < size:
            return f"{'MANIFEST' if manifest else 'log'} {number} has {present_size} bytes and had {size}"
    return None
