"""Table of masses: weighted probability by item or category, in memory, its changed rows kept in the view."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from state.ordered_store import OrderedStore
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import id_key, id_of
from streams.web.view.rows import MASS_ROW, MassRow, encode


class MassTable:
    """Masses by id. An id is there as long as a user's newest prediction names it: about 200 bytes each."""

    def __init__(self, kind: bytes) -> None:
        self._kind = kind
        self._clear()

    def _clear(self) -> None:
        self._index: dict[str, int] = {}
        self._ids: list[str] = []
        self._mass = array("d")
        self._users = array("q")
        self._free: list[int] = []
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._index)

    def load(self, store: OrderedStore) -> None:
        """Reads the rows that the store has, in place of those that are here."""
        self._clear()
        for key, value in store.scan(self._kind):
            row = MASS_ROW(value)
            self._append(id_of(key), row.mass, row.users)

    def add(self, id_: str, mass: float, users: int) -> None:
        """Adds to an id's mass and to the number of its users; one without users is there no more."""
        index = self._index.get(id_)
        if index is None:
            index = self._append(id_, 0.0, 0)
        self._mass[index] += mass
        self._users[index] += users
        self._changed.add(id_)

    def scale(self, factor: float) -> None:
        """Multiplies every mass."""
        for index, mass in enumerate(self._mass):
            self._mass[index] = mass * factor
        self._changed.update(self._index)

    def store(self, batch: ViewBatch) -> None:
        """Puts the rows that have changed into the batch."""
        for id_ in self._changed:
            index = self._index[id_]
            if self._users[index] > 0:
                batch.put(id_key(self._kind, id_), encode(MassRow(self._mass[index], self._users[index])))
                continue
            batch.delete(id_key(self._kind, id_))
            del self._index[id_]
            self._mass[index], self._users[index], self._ids[index] = 0.0, 0, ""
            self._free.append(index)
        self._changed.clear()

    def mass(self, id_: str) -> float:
        """Its mass, never below 0: differences of rounding are."""
        index = self._index.get(id_)
        return 0.0 if index is None else max(0.0, self._mass[index])

    def users(self, id_: str) -> int:
        """How many users' newest predictions name it."""
        index = self._index.get(id_)
        return 0 if index is None else self._users[index]

    def largest(self, count: int) -> Iterator[tuple[str, float]]:
        """Ids and masses by falling mass, at most so many, those without mass left out."""
        masses = np.array(self._mass)
        count = min(count, len(masses))
        if count == 0:
            return
        first = np.argpartition(masses, len(masses) - count)[len(masses) - count :]
        for index in first[np.argsort(-masses[first], kind="stable")].tolist():
            if masses[index] > 0.0:
                yield self._ids[index], float(masses[index])

    def _append(self, id_: str, mass: float, users: int) -> int:
        if self._free:
            index = self._free.pop()
            self._ids[index], self._mass[index], self._users[index] = id_, mass, users
        else:
            index = len(self._ids)
            self._ids.append(id_)
            self._mass.append(mass)
            self._users.append(users)
        self._index[id_] = index
        return index
