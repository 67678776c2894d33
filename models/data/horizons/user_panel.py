"""A panel of users: the newest rows of a bounded random sample of all users that a stream has had.

Who is in it depends on a hash of the user alone, not on how active they are: a user who fell silent stays, so that what
is asked of the panel counts those who do not come back as well.
"""

from heapq import heapify, heappush, heapreplace
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def user_hash(users: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """[n] numbers that are as good as random, the same for a user everywhere."""
    mixed = (users.astype(np.uint64) + np.uint64(1)) * _MULTIPLIER
    mixed ^= mixed >> _SHIFT
    return mixed * _MULTIPLIER


class UserPanel:
    """The `capacity` users of smallest hash."""

    def __init__(self, capacity: int, row_dtype: np.dtype[np.void]) -> None:
        self.rows: NDArray[np.void] = np.zeros(capacity, row_dtype)
        """[capacity] by place; those beyond `len` are not used"""
        self.users: NDArray[np.uint32] = np.zeros(capacity, np.uint32)
        """[capacity] number of each place's user; 0: none any more"""
        self._hash: NDArray[np.uint64] = np.zeros(capacity, np.uint64)
        self._place: dict[int, int] = {}
        self._largest: list[tuple[int, int]] = []  # heap of (-hash, place)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, users: NDArray[np.uint32], rows: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take newer rows of these users, as far as they are in the panel or enter it; they may have more fields.

        Index and place of each row taken; `left` are the places that changed hands.
        """
        hashed = user_hash(users)
        index, place, left = [], [], []
        limit = -self._largest[0][0] if self._size == len(self.rows) else None
        chosen = np.arange(len(users)) if limit is None else np.flatnonzero(hashed <= np.uint64(limit))
        for number, user, value in zip(chosen.tolist(), users[chosen].tolist(), hashed[chosen].tolist(), strict=True):
            where = self._place.get(user)
            if where is None:
                where, replaced = self._enter(user, value)
                if where is None:
                    continue
                if replaced:
                    left.append(where)
            index.append(number)
            place.append(where)
        taken, places = np.array(index, np.int64), np.array(place, np.int64)
        self.rows[places] = rows[list(self.rows.dtype.names or ())][taken]
        return np.stack([taken, places]), np.array(left, np.int64)

    def forget_users(self, users: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Drop these users: their places, which stay empty until others take them."""
        places = [self._place.pop(user) for user in users.tolist() if user in self._place]
        gone = np.array(places, np.int64)
        self.rows[gone] = np.zeros(1, self.rows.dtype)
        self.users[gone] = 0
        # As if their hash were the largest: the next who enters takes the place.
        self._hash[gone] = np.iinfo(np.uint64).max
        self._rank()
        return gone

    def forget_items(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        ring = self.rows["ring_item"]
        ring[np.isin(ring, gone)] = 0

    def state(self) -> dict[str, NDArray[np.uint8] | NDArray[np.int32]]:
        """Copy of the rows as bytes [n, size], and the users."""
        rows = self.rows[: self._size].copy()
        as_bytes = rows.view(np.uint8).reshape(self._size, self.rows.dtype.itemsize)
        return {"rows": as_bytes, "users": self.users[: self._size].view(np.int32).copy()}

    def restore(self, rows: NDArray[np.uint8], users: NDArray[np.int32]) -> None:
        """Go on from `state`, as many as there is room for; nothing where the rows are of other settings."""
        if rows.ndim != 2 or rows.shape[1] != self.rows.dtype.itemsize:
            return
        self._place, self._largest, self._size = {}, [], 0
        numbers = users.view(np.uint32)
        known = np.flatnonzero(numbers)
        self.put(numbers[known], np.ascontiguousarray(rows[known]).view(self.rows.dtype)[:, 0])

    def _enter(self, user: int, value: int) -> tuple[int | None, bool]:
        """Place of a new user, None where their hash is too large; and whether another one had it."""
        if self._size < len(self.rows):
            place, replaced = self._size, False
            self._size += 1
            heappush(self._largest, (-value, place))
        else:
            largest, place = self._largest[0]
            if value >= -largest:
                return None, False
            self._place.pop(int(self.users[place]), None)
            heapreplace(self._largest, (-value, place))
            replaced = True
        self._place[user] = place
        self.users[place], self._hash[place] = user, value
        return place, replaced

    def _rank(self) -> None:
        self._largest = [(-value, place) for place, value in enumerate(self._hash[: self._size].tolist())]
        heapify(self._largest)
