"""A release of the model as it is read: changed parts, manifest, and the changelog position that it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class ChangelogPosition:
    """How far the user-state changelog is read: the next offset of each partition, and which changelog it is."""

    offsets: Mapping[int, int] = field(default_factory=dict)  # partition → next offset
    ids: Mapping[int, str] = field(default_factory=dict)  # partition → value of its id row, in hexadecimal


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be applied to the model of the release before; to nothing where `is_complete`."""

    number: int  # counts the releases of a topic
    parts: Mapping[str, bytes]
    removed: frozenset[str]  # parts that the model has no more
    is_complete: bool  # `parts` are all that the model has
    manifest: bytes
    covered: ChangelogPosition  # what the model has learnt
    writer: str  # transactional id of the trainer
    written_ms: int

    def followed_by(self, newer: Release) -> Release:
        """Both as one release, for whoever applies them at once."""
        if newer.is_complete:
            return newer
        parts = {key: part for key, part in self.parts.items() if key not in newer.removed}
        removed = (self.removed | newer.removed) - newer.parts.keys()
        return replace(
            newer,
            parts={**parts, **newer.parts},
            removed=frozenset() if self.is_complete else removed,
            is_complete=self.is_complete,
        )


@dataclass(frozen=True, slots=True)
class ReleaseFault:
    """Why a release is not applied."""

    number: int | None  # of the release, where that is known
    key: str  # of the part that is at fault
    reason: str

    def __str__(self) -> str:
        release = "a release" if self.number is None else f"release {self.number}"
        return f"{release} is not applied: {self.key}: {self.reason}"
