"""What a trainer trains, as the trainer sees it: rows go in, releases come out as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.releases.release import Release
from streams.trainer.changelog_feed import Row


class ModelRelease(NamedTuple):
    """A release as the model makes it; a part that is None is one that the model has no more."""

    parts: Mapping[str, bytes | None]
    manifest: bytes  # JSON


class Counted(NamedTuple):
    """New events of rows."""

    events: int  # that were counted
    missed: int  # that the rows hold no more: a user had more in one step than model.history_length


class TrainStep(NamedTuple):
    """What one optimizer step did."""

    events: int  # that it took; fewer than were counted where they come faster than it learns
    left_out: float  # influence that these lacked (models/data/influence.py)


class Model(Protocol):
    """A model that learns. One method at a time is awaited."""

    async def start(self, release: Release | None) -> None:
        """Become the model of this release, which is complete; a new one without any. Called once."""

    async def observe(self, rows: Sequence[Row]) -> Counted:
        """Count the rows' new events, and queue them for learning."""

    async def train_step(self, partial: bool) -> TrainStep | None:
        """An optimizer step once enough events wait for one, or any where `partial`; None where none was taken."""

    async def release(self, full: bool) -> ModelRelease:
        """The parts that changed since the last call, all of them where `full`."""

    async def look(self) -> bool:
        """Do what was asked for from outside; whether that changed the model. Called every few seconds."""

    async def save(self) -> None:
        """Keep what no release holds, where there is something new."""

    async def close(self) -> None:
        """Close what it has open."""
