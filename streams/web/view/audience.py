"""Audience: what all users want together, by item and by category.

share(x) = Σ w(user)·p(x) / Σ w(user), p of the user's newest prediction, w = 2^(-age / half-life): users who are
silent fade. Kept by forward decay (Cormode et al., 2009): w = 2^((emitted_at - landmark) / half-life) never changes as
time goes by, and the common factor cancels in the share. A new prediction takes back what the former one has added.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from state.ordered_store import OrderedStore
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import CATEGORY_MASS, ITEM_MASS
from streams.web.view.mass_table import MassTable
from streams.web.view.rows import Meta, Snapshot, UserRow

_MOST_HALF_LIVES: Final = 500  # behind the landmark: numbers end at 2^1023
SNAPSHOT_ITEMS: Final = 1000
SNAPSHOT_CATEGORIES: Final = 200


class Audience:
    """Masses of items and categories. One thread changes them, others read; each method is one step to all of them."""

    def __init__(self, half_life_s: float) -> None:
        self._half_life_ms = half_life_s * 1000
        self._items = MassTable(ITEM_MASS)
        self._categories = MassTable(CATEGORY_MASS)
        self._lock = Lock()
        self._meta = Meta(0, "")

    def load(self, store: OrderedStore, meta: Meta) -> None:
        """Reads what the store has; `meta` holds landmark and weight from here on."""
        with self._lock:
            self._meta = meta
            self._items.load(store)
            self._categories.load(store)

    def replace(self, before: UserRow | None, after: UserRow | None) -> None:
        """Takes back a user's former prediction and adds the new one."""
        with self._lock:
            if after is not None:
                self._move_landmark(after.emitted_at)
            for row, sign in ((before, -1), (after, 1)):
                if row is None:
                    continue
                weight = sign * self._weight(row.emitted_at)
                self._meta.weight += weight
                for item, p in zip(row.items, row.item_p, strict=True):
                    self._items.add(item, weight * p, sign)
                for category, p in zip(row.categories, row.category_p, strict=True):
                    self._categories.add(category, weight * p, sign)

    def store(self, batch: ViewBatch) -> None:
        """Puts what has changed into the batch."""
        with self._lock:
            self._items.store(batch)
            self._categories.store(batch)

    def item(self, item_id: str) -> tuple[float, int]:
        """The item's share, and how many users' newest predictions name it."""
        with self._lock:
            return self._share(self._items.mass(item_id)), self._items.users(item_id)

    def snapshot(self) -> Snapshot:
        """The largest shares now."""
        with self._lock:
            items = list(self._items.largest(SNAPSHOT_ITEMS))
            categories = list(self._categories.largest(SNAPSHOT_CATEGORIES))
            return Snapshot(
                self._meta.users,
                [item for item, _ in items],
                [self._share(mass) for _, mass in items],
                [category for category, _ in categories],
                [self._share(mass) for _, mass in categories],
            )

    def _share(self, mass: float) -> float:
        return min(1.0, mass / self._meta.weight) if self._meta.weight > 0.0 else 0.0

    def _weight(self, emitted_at: int) -> float:
        return float(2.0 ** ((emitted_at - self._meta.landmark_ms) / self._half_life_ms))

    def _move_landmark(self, emitted_at: int) -> None:
        if self._meta.users == 0:
            self._meta.landmark_ms, self._meta.weight = emitted_at, 0.0
            return
        half_lives = int((emitted_at - self._meta.landmark_ms) / self._half_life_ms)
        if half_lives < _MOST_HALF_LIVES:
            return
        factor = 2.0**-half_lives
        self._items.scale(factor)
        self._categories.scale(factor)
        self._meta.weight *= factor
        self._meta.landmark_ms += round(half_lives * self._half_life_ms)
