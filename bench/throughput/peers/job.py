"""Job of a measured program, passed as JSON in its only argument."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from streams.settings.sections import Compression


class Job(msgspec.Struct, frozen=True):
    """Apply the first `events` events of `source`, then stop."""

    bootstrap_servers: str
    source: str
    run: str
    """Prefix of the names of this run's consumer group, changelog and predictions."""
    partitions: int
    events: int
    warmup_events: int
    """Events before the measurement starts."""
    folder: str
    """Empty folder for local state."""
    row_bytes: int
    """Size of a user's state row."""
    variant: str = ""
    """Variant of the program to run; programs with one variant ignore it."""
    compression: Compression = "lz4"
    """Codec of what the worker writes; the other programs write without."""

    @property
    def changelog(self) -> str:
        """Topic of the state rows."""
        return f"{self.run}-user-state-changelog"

    @property
    def predictions(self) -> str:
        """Topic of the predictions."""
        return f"{self.run}-predictions"

    @property
    def data_dir(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)

    def to_argument(self) -> str:
        """The job as `from_argv` reads it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_argv(cls) -> Job:
        """The job in this process's arguments."""
        return msgspec.json.decode(sys.argv[1], type=cls)
