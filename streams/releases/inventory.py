"""The parts of a model by key, with their hashes and the digest of all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from streams.releases.chunks import PartEntry
from streams.releases.envelope import ModelDigest


class PartInventory:
    """Which parts there are, without their bytes."""

    def __init__(self, entries: Iterable[tuple[str, PartEntry]] = ()) -> None:
        self._entries: dict[str, PartEntry] = {}
        self._digest = ModelDigest()
        for key, entry in entries:
            self.put(key, entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def get(self, key: str) -> PartEntry | None:
        """The part's entry, None where there is none."""
        return self._entries.get(key)

    def copy(self) -> PartInventory:
        """Another one with the same parts."""
        return PartInventory(self._entries.items())

    def put(self, key: str, entry: PartEntry) -> None:
        """The part is this one now."""
        self.remove(key)
        self._entries[key] = entry
        self._digest.add(key, entry)

    def remove(self, key: str) -> None:
        """There is no such part any more."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._digest.remove(key, entry)

    def keep(self, keys: Collection[str]) -> None:
        """Only these parts remain."""
        for key in [key for key in self._entries if key not in keys]:
            self.remove(key)

    def digest(self) -> str:
        """That of all parts, in hexadecimal."""
        return self._digest.hex()
