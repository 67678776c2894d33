"""RocksDB's errors, which are plain exceptions with a text, as those of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rocksdict import DbClosedError

from state.errors import FolderInUseError, StoreClosedError, StoreCorruptError, StoreError


@contextmanager
def state_errors(folder: Path) -> Iterator[None]:
    """Raises StoreClosedError, StoreCorruptError, FolderInUseError or StoreError for an error of RocksDB."""
    try:
        yield
    except DbClosedError as error:
        raise StoreClosedError(f"the store in {folder} is closed: its partition was revoked") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        text = str(error)
        if text.startswith("Corruption") or ("No such file or directory" in text and "MANIFEST" in text):
            raise StoreCorruptError(corrupt_message(folder, text)) from error
        if "LOCK" in text and not any(fault in text for fault in _CURES):
            raise FolderInUseError(f"the store in {folder} is already open ({text}): close it first") from error
        raise StoreError(f"RocksDB refused to work on {folder} ({text}): {_cure(text)}") from error


def require_current_file(folder: Path) -> None:
    """Raises StoreCorruptError where there are rows but no file CURRENT: RocksDB would create an empty store there."""
    if not folder.exists() or (folder / "CURRENT").exists():
        return
    if any(path.suffix in (".sst", ".log") for path in folder.iterdir()):
        raise StoreCorruptError(corrupt_message(folder, "the file CURRENT is gone"))


def corrupt_message(folder: Path, fault: str) -> str:
    """What to do about a folder whose files are damaged."""
    return (
        f"the store in {folder} is damaged ({fault}): stop its process, delete this folder and start again; "
        "its rows are then restored from Kafka. Check the disk if this repeats"
    )


_CURES = {
    "No space left": "free some disk space, or set worker.data_dir (policy.data_dir, web.data_dir) to a larger disk",
    "Disk quota exceeded": "raise the quota, or set worker.data_dir (policy.data_dir, web.data_dir) to another disk",
    "Read-only file system": "mount the file system writable, or set worker.data_dir (policy.data_dir, web.data_dir)",
    "Permission denied": (
        "change the owner or permissions of the data folder, or set worker.data_dir (policy.data_dir, web.data_dir)"
    ),
    "Too many open files": "raise the limit of open files (`ulimit -n 65536`, LimitNOFILE= of a systemd unit)",
    "File too large": "raise the limit of file sizes (`ulimit -f unlimited`)",
}


def _cure(text: str) -> str:
    """What an operator does about an error of RocksDB, which names the system's."""
    for fault, cure in _CURES.items():
        if fault in text:
            return cure
    return "look at the disk and its kernel messages"
