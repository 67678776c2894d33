"""Small logs for tests."""

from collections.abc import Sequence

import numpy as np

from bench.quality.datasets import Dataset
from models.data.event_log import EventLog
from models.data.event_types import type_index


def make_log(user: Sequence[int], item: Sequence[int], value: Sequence[float] = ()) -> Dataset:
    """A log of these users, items and ratings; times rise by a minute."""
    count, items, users = len(user), max(item), max(user) + 1
    events = EventLog(
        user=np.array(user),
        item=np.array(item),
        time_ms=60_000 * np.arange(count),
        type=np.full(count, type_index("view")),
        value=np.array(value or [np.nan] * count, dtype=np.float64),
        text=np.full(count, "", dtype=np.object_),
    )
    return Dataset(
        name="small",
        events=events,
        users=users,
        item_ids=["", *(f"i{number}" for number in range(1, items + 1))],
        titles=[""] * (items + 1),
        categories=[()] * (items + 1),
        allow_repeats=len(set(zip(user, item, strict=True))) < count,
        complete_users=np.ones(users, dtype=np.bool_),
    )


def random_log(events: int = 2000, users: int = 60, items: int = 40, seed: int = 0) -> Dataset:
    """A log in which items follow one another in a circle more often than not, with ratings."""
    random = np.random.default_rng(seed)
    user = random.integers(0, users, events)
    last = random.integers(0, items, users)
    raw = []
    for user_index in user.tolist():
        jumps = random.random() < 0.4
        last[user_index] = random.integers(0, items) if jumps else (last[user_index] + 1) % items
        raw.append(int(last[user_index]))
    item_index: dict[int, int] = {}
    item = [item_index.setdefault(raw_item, len(item_index) + 1) for raw_item in raw]
    return make_log(user.tolist(), item, random.integers(1, 6, events).tolist())
