"""Changes of the view that become visible together: read through, and written at once."""

from __future__ import annotations

from collections.abc import Iterable

from state.ordered_store import OrderedStore


class ViewBatch:
    """Values by key as they are after the changes so far."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store
        self._read: dict[bytes, bytes | None] = {}
        self.changes: dict[bytes, bytes | None] = {}

    def load(self, keys: Iterable[bytes]) -> None:
        """Reads these keys at once, which is quicker than one by one."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._read]
        self._read.update(zip(missing, self._store.get_many(missing), strict=True))

    def get(self, key: bytes) -> bytes | None:
        """The value of the key, None where there is none."""
        if key in self.changes:
            return self.changes[key]
        if key not in self._read:
            self._read[key] = self._store.get(key)
        return self._read[key]

    def put(self, key: bytes, value: bytes) -> None:
        """Puts the value."""
        self.changes[key] = value

    def delete(self, key: bytes) -> None:
        """Deletes the key."""
        self.changes[key] = None

    def delete_prefix(self, prefix: bytes) -> None:
        """Deletes the keys that begin with it; few, because they are held in memory."""
        for key, _ in self._store.scan(prefix):
            self.changes[key] = None
        for key in [key for key in self.changes if key.startswith(prefix)]:
            self.changes[key] = None
