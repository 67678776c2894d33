"""The errors of this package; each message says what an operator does.

StateError
├── RowFormatError        a row was written by another layout
├── ReservedKeyError      an empty key, or one that begins with the byte 0
├── FolderInUseError      another process, or another opener in this one, holds the data
└── StoreError            RocksDB refused
    ├── StoreCorruptError the files are damaged
    └── StoreClosedError  used after close
"""

from __future__ import annotations


class StateError(Exception):
    """Base class of the errors of this package."""


class RowFormatError(StateError):
    """A row's length, format number or dtype is not the layout's."""


class ReservedKeyError(StateError):
    """A key is empty or begins with the byte 0, which this package keeps for itself."""


class FolderInUseError(StateError):
    """The data folder, or a partition in it, is open elsewhere."""


class StoreError(StateError):
    """RocksDB refused an operation: disk full, no permission, I/O error."""


class StoreCorruptError(StoreError):
    """A partition's files are damaged; its rows can be restored from the changelog."""


class StoreClosedError(StoreError):
    """The store was used after it was closed."""
