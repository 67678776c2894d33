"""The errors of this package; each message says what whoever runs the benchmark does.

BenchError
├── PeerError      a measured program failed or stalled
└── DatasetError   a log that isn't there or can't be read
"""

from __future__ import annotations


class BenchError(Exception):
    """A benchmark can't run or gave no result."""


class PeerError(BenchError):
    """A measured program failed or stalled."""


class DatasetError(BenchError):
    """A log that isn't there or can't be read."""
