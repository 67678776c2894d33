"""Ordered store: keys and values in one RocksDB folder, read by key or by prefix, written in atomic batches.

A view of something that can be read again: where its files are damaged they are set aside, and the view is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import cast

from rocksdict import Rdict, WriteBatch

from state.errors import StoreClosedError, StoreCorruptError
from state.file_sizes import file_sizes, find_shortened, pack_sizes, unpack_sizes
from state.folders import make_folder
from state.options import StoreMemory, store_options
from state.rocksdb_errors import corrupt_message, require_current_file, state_errors

_SIZES_KEY = b"\0file-sizes"
_DELETED_AT_ONCE = 10_000


class OrderedStore:
    """Values by key, keys in byte order. Keys begin with any byte but 0.

    A batch that `write` returned from survives the death of the process (not of the machine). Calls from several
    threads are safe and leave the interpreter free while RocksDB works; one thread writes.
    """

    def __init__(self, folder: Path, memory: StoreMemory) -> None:
        """Opens or creates the store. Raises StoreCorruptError if its files are damaged, FolderInUseError if open."""
        self.folder = folder
        make_folder(folder.parent)
        present = file_sizes(folder)
        require_current_file(folder)
        with state_errors(folder):
            self._db = Rdict(str(folder), store_options(memory))
        try:
            with state_errors(folder):
                packed: bytes | None = self._db.get(_SIZES_KEY)
            if packed is not None and (fault := find_shortened(unpack_sizes(packed), present)):
                raise StoreCorruptError(corrupt_message(folder, fault))
        except BaseException:
            self._db.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        """The value of the key, None where there is none."""
        with state_errors(self.folder):
            return cast(bytes | None, self._db.get(key))

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key in order, None where there is none."""
        with state_errors(self.folder):
            return cast(list[bytes | None], self._db.get(list(keys)))

    def scan(
        self, prefix: bytes, after: bytes = b"", *, before: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix` and their values, in order, as of the start of the iteration.

        Where they are given, only keys above `after` and below `before`; both are complete keys.
        """
        begin, end = after + b"\0" if after else prefix, before or _above(prefix)
        with state_errors(self.folder):
            cursor = self._db.iter()
            if reverse:
                cursor.seek_for_prev(end)
            else:
                cursor.seek(begin)
            while cursor.valid():
                key = cursor.key()
                if begin <= key < end:
                    yield key, cursor.value()
                elif key != end:  # which a seek in reverse may have found
                    break
                if reverse:
                    cursor.prev()
                else:
                    cursor.next()
            cursor.status()  # raises where damage, not the end, has stopped the cursor

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Puts these values, and deletes the keys whose value is None: all or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch[key] = value
        batch[_SIZES_KEY] = pack_sizes(file_sizes(self.folder))
        with state_errors(self.folder):
            self._db.write(batch)

    def delete_prefix(self, prefix: bytes) -> None:
        """Deletes all keys that begin with it, in several batches."""
        keys: dict[bytes, bytes | None] = {}
        for key, _ in self.scan(prefix):
            keys[key] = None
            if len(keys) == _DELETED_AT_ONCE:
                self.write(keys)
                keys = {}
        if keys:
            self.write(keys)

    def close(self) -> None:
        """Releases the files; closing twice is allowed."""
        with suppress(StoreClosedError), state_errors(self.folder):
            self._db.close()


def set_aside(folder: Path) -> Path:
    """Renames the folder of a store that is of no use after the time in UTC; earlier ones like it are deleted."""
    for earlier in folder.parent.glob(f"{folder.name}.aside-*"):
        rmtree(earlier)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return folder.rename(folder.with_name(f"{folder.name}.aside-{stamp}"))


def _above(prefix: bytes) -> bytes:
    """A key above all that begin with the prefix and go on as text in UTF-8 or a number."""
    return prefix + b"\xff" * 9
