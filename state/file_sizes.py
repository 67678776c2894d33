"""File marks: how long RocksDB's journal files were, so that a shortened one is noticed.

RocksDB takes a MANIFEST, or a log before the newest, that ends too early for one that was never longer: rows vanish
while later rows, and the position among them, stay. So every batch carries the lengths seen before it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_MARK = struct.Struct("<?QQ")  # is a MANIFEST, file number, bytes

FileSizes = dict[tuple[bool, int], int]
"""Length in bytes by (is a MANIFEST, file number); the other files are write-ahead logs."""


def file_sizes(folder: str | Path) -> FileSizes:
    """The present length of each MANIFEST and each log in the folder; empty if there is no folder."""
    marks: FileSizes = {}
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return marks
    with entries:
        for entry in entries:
            name = entry.name
            try:
                if name.startswith("MANIFEST-"):
                    marks[True, int(name[9:])] = entry.stat().st_size
                elif name.endswith(".log"):
                    marks[False, int(name[:-4])] = entry.stat().st_size
            except FileNotFoundError:
                continue  # flushed and deleted by RocksDB meanwhile
    return marks


def pack_sizes(marks: FileSizes) -> bytes:
    """The marks as bytes, for `unpack_sizes`."""
    return b"".join(_MARK.pack(manifest, number, size) for (manifest, number), size in marks.items())


def unpack_sizes(packed: bytes) -> FileSizes:
    """The marks that `pack_sizes` packed."""
    return {(manifest, number): size for manifest, number, size in _MARK.iter_unpack(packed)}


def find_shortened(marks: FileSizes, present: FileSizes) -> str | None:
    """What is wrong with the files `present` before an opening, given the marks of the last batch; None if nothing.

    A file that is gone proves nothing: RocksDB deletes a log once its rows are flushed.
    """
    for (manifest, number), size in marks.items():
        found = present.get((manifest, number), size)
        if found < size:
            return f"{'MANIFEST' if manifest else 'log'} {number} has {found} bytes and had {size}"
    return None
