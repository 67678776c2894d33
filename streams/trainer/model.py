"""What a trainer trains, as the trainer sees it: rows go in, releases come out as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.trainer.changelog_feed import Row


class ModelRelease(NamedTuple):
    """A release as the model makes it; a part that is None is one that the model has no more."""

    parts: Mapping[str, bytes | None]
    manifest: bytes  # JSON


class Model(Protocol):
    """A model that learns. All methods are called in threads, one at a time."""

    def restore(self, parts: Mapping[str, bytes], manifest: bytes) -> None:
        """Become the model of these parts, which are all. Called at most once, before anything else."""

    def observe(self, rows: Sequence[Row]) -> int:
        """Learn from the rows; how many events were new in them."""

    def release(self, full: bool) -> ModelRelease:
        """The parts that changed since the last call, all of them where `full`."""
