"""The errors of this package; each message says what to do.

BenchError
├── PeerError      a measured program failed or stalled
└── DatasetError   a log that is missing or cannot be read
"""

from __future__ import annotations


class BenchError(Exception):
    """A benchmark cannot run or has no result."""


class PeerError(BenchError):
    """A measured program failed or stalled."""


class DatasetError(BenchError):
    """A log that is missing or cannot be read."""
