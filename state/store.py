"""Partition store: the rows of one partition's users in RocksDB, with the changelog position they were read up to.

A cache of the changelog: lost rows are restored from there, as long as the remaining rows and the position agree.
"""

from __future__ import annotations

import os
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from rocksdict import AccessType, Rdict, WriteBatch

from state.errors import ReservedKeyError, StoreClosedError, StoreCorruptError, StoreError
from state.file_sizes import FileSizes, file_sizes, find_shortened, pack_sizes, unpack_sizes
from state.folders import make_folder
from state.options import StoreMemory, reader_options, store_options
from state.rocksdb_errors import corrupt_message, require_current_file, state_errors

_PROGRESS_KEY = b"\0progress"
_PROGRESS = struct.Struct("<qHH")  # position, lengths of changelog id and offset row; then these, then the file sizes
_FIRST_USER_KEY = b"\x01"
_READ_ATTEMPTS = 50
_READ_PAUSE_S = 0.02


class PartitionStore:
    """Rows by key, and the changelog position up to which they are applied; both change in one atomic batch.

    A batch that `put_many` returned from survives the death of the process (not of the machine). Calls from several
    threads are safe and leave the interpreter free while RocksDB works.
    """

    def __init__(self, folder: Path, memory: StoreMemory) -> None:
        """Opens or creates the store. Raises StoreCorruptError if its files are damaged, FolderInUseError if open."""
        self.folder = folder
        self.position: int | None = None
        self.changelog_id: bytes | None = None
        self.offset_row: bytes | None = None
        make_folder(folder.parent)
        present = file_sizes(folder)
        require_current_file(folder)
        with state_errors(folder):
            self._db = Rdict(str(folder), store_options(memory))
        try:
            self._load_progress(present)
        except BaseException:
            self._db.close()
            raise

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The row of each key in order, None where there is none."""
        with state_errors(self.folder):
            return cast(list[bytes | None], self._db.get(list(keys)))

    def put_many(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        position: int,
        changelog_id: bytes | None = None,
        offset_row: bytes | None = None,
    ) -> None:
        """Writes the rows (None deletes) and the position, all or nothing; the last row of a repeated key wins.

        `position` is the next changelog offset to read; `offset_row` is stored beside it, opaque
        here. Without `changelog_id` or `offset_row` the one known stays.
        """
        batch = WriteBatch(raw_mode=True)
        for key, value in zip(keys, values, strict=True):
            if key[:1] in (b"", b"\0"):
                raise ReservedKeyError(f"key {key!r} is empty or begins with the byte 0: refuse such user ids on input")
            if value is None:
                batch.delete(key)
            else:
                batch[key] = value
        self._write(batch, position, changelog_id or self.changelog_id, offset_row or self.offset_row)

    def rows(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Each user's key and row, in key order, as of the start of the iteration; of users above `after` alone."""
        yield from _iterate(self._db, self.folder, after)

    def close(self) -> None:
        """Releases the files; closing twice is allowed.

        Raises StoreCorruptError or StoreError, after releasing them, if work in the background had failed.
        """
        with suppress(StoreClosedError), state_errors(self.folder):
            self._db.close()

    def _load_progress(self, present: FileSizes) -> None:
        """Loads position, id and offset row, and stores the sizes of the files that RocksDB has just created."""
        with state_errors(self.folder):
            packed: bytes | None = self._db.get(_PROGRESS_KEY)
        if packed is None:
            return
        position, changelog_id, offset_row, sizes = _unpack_progress(packed)
        if fault := find_shortened(sizes, present):
            raise StoreCorruptError(corrupt_message(self.folder, fault))
        self._write(WriteBatch(raw_mode=True), position, changelog_id, offset_row)

    def _write(self, batch: WriteBatch, position: int, changelog_id: bytes | None, offset_row: bytes | None) -> None:
        name, row = changelog_id or b"", offset_row or b""
        head = _PROGRESS.pack(position, len(name), len(row))
        batch[_PROGRESS_KEY] = head + name + row + pack_sizes(file_sizes(self.folder))
        with state_errors(self.folder):
            self._db.write(batch)
        self.position, self.changelog_id, self.offset_row = position, changelog_id, offset_row


def store_bytes(folder: Path) -> int:
    """Bytes of the files in a store's folder now; 0 without a folder."""
    size = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted by RocksDB meanwhile
                    size += entry.stat().st_size
    except FileNotFoundError:
        pass
    return size


def read_rows(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each user's key and row of a partition's folder as of now, in key order, while its owner may be writing.

    Opens read-only, without a lock, and changes nothing in the folder. Raises StoreError if there is no store.
    """
    with tempfile.TemporaryDirectory() as log_dir:
        db = _open_reader(folder, Path(log_dir))
        try:
            yield from _iterate(db, folder)
        finally:
            db.close()


def _open_reader(folder: Path, log_dir: Path) -> Rdict:
    """A read-only database; retries, because the owner may delete a file between its listing and its opening."""
    if not (folder / "CURRENT").exists():
        raise StoreError(f"{folder} holds no store: name the folder of a partition, such as data/partition-0")
    for attempt in range(1, _READ_ATTEMPTS + 1):
        try:
            with state_errors(folder):
                return Rdict(str(folder), reader_options(8 << 20, log_dir), access_type=AccessType.read_only(False))
        except StoreError:
            if attempt == _READ_ATTEMPTS:
                raise
            time.sleep(_READ_PAUSE_S)  # a reader cannot know when the owner's compaction is over
    raise AssertionError("unreachable")


def _iterate(db: Rdict, folder: Path, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    with state_errors(folder):
        cursor = db.iter()
        cursor.seek(after + b"\0" if after else _FIRST_USER_KEY)
        while cursor.valid():
            yield cursor.key(), cursor.value()
            cursor.next()
        cursor.status()  # raises where damage, not the end, has stopped the cursor; items() would not


def _unpack_progress(packed: bytes) -> tuple[int, bytes | None, bytes | None, FileSizes]:
    position, name_length, row_length = _PROGRESS.unpack_from(packed)
    row_begin = _PROGRESS.size + name_length
    end = row_begin + row_length
    name, row = packed[_PROGRESS.size : row_begin], packed[row_begin:end]
    return position, name or None, row or None, unpack_sizes(packed[end:])
