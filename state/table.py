"""User table: the partition stores of this process, in a data folder that no other process may use."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from state.errors import FolderInUseError, StoreCorruptError, StoreError
from state.folders import make_folder
from state.options import StoreMemory
from state.store import PartitionStore


def partition_folder(folder: Path, partition: int) -> Path:
    """The folder of the partition's store in a data folder."""
    return folder / f"partition-{partition}"


class UserTable:
    """The open stores of this process. `quarantined` lists the damaged stores that `open` has set aside, oldest first.

    Holds an exclusive lock on the folder until `close`; the lock dies with the process.
    """

    def __init__(self, folder: Path, cache_bytes: int = 256 << 20) -> None:
        """Raises FolderInUseError, with the holder's process id, if the folder is locked."""
        self.folder = folder
        self.quarantined: list[Path] = []
        make_folder(folder)
        self._lock = _lock_folder(folder)
        self._memory = StoreMemory(cache_bytes)
        self._stores: dict[int, PartitionStore] = {}

    def open(self, partition: int) -> PartitionStore:
        """The partition's store: as it was closed, or empty where there was none or its files were damaged."""
        if partition in self._stores:
            raise FolderInUseError(f"partition {partition} is already open in this process: close it first")
        folder = partition_folder(self.folder, partition)
        try:
            store = PartitionStore(folder, self._memory)
        except StoreCorruptError:
            self.quarantined.append(_set_aside(folder))
            store = PartitionStore(folder, self._memory)
        self._stores[partition] = store
        return store

    def close_partition(self, partition: int) -> None:
        """Closes the partition's store; one that is not open stays so."""
        store = self._stores.pop(partition, None)
        if store is not None:
            store.close()

    def close_partitions(self) -> None:
        """Closes every store, all of them even where one fails to close; the folder stays locked."""
        with ExitStack() as stack:
            for partition in list(self._stores):
                stack.callback(self.close_partition, partition)

    def discard(self, partition: int) -> PartitionStore:
        """An empty store in place of the partition's local copy, which is deleted."""
        with suppress(StoreError):  # what is deleted need not close well
            self.close_partition(partition)
        folder = partition_folder(self.folder, partition)
        if folder.exists():
            shutil.rmtree(folder)
        return self.open(partition)

    def close(self) -> None:
        """Closes every store and releases the folder; closing twice is allowed."""
        with ExitStack() as stack:  # a store that fails to close keeps neither the others nor the lock
            if self._lock >= 0:
                stack.callback(os.close, self._lock)
                self._lock = -1
            stack.callback(self.close_partitions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock_folder(folder: Path) -> int:
    """The descriptor that holds the folder's lock."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
        os.close(descriptor)
        raise FolderInUseError(
            f"data folder {folder} is in use by process {holder}: stop that worker, or give this one a folder of its "
            "own (worker.data_dir)"
        ) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _set_aside(folder: Path) -> Path:
    """Renames the folder of a damaged store after the time in UTC."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return folder.rename(folder.with_name(f"{folder.name}.corrupt-{stamp}"))
