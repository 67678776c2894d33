"""A made-up catalogue like that of a news site: items live for three days, and users choose them by what they are.

What an item is shows in its vector, as a picture's or a text's would: a linear map of it and noise, each number in
another unit. How users like an item's price shows in the price alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.data.event_types import type_index

VECTOR_WIDTH = 32
DAY_MS = 86_400_000
_PERIODS = 8  # of a day, at whose beginning items arrive
_LIFE_DAYS = 3
_FIRST_MS = 1_731_888_000_000
_TASTE_WIDTH = 6
_TASTE, _PRICE, _NOISE = 3.5, 1.5, 0.3
"""How much taste and price weigh in a user's choice; standard deviation of the noise in a vector"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items with what they show, and the events of the users who chose among those of the last days."""

    events: EventLog
    users: int
    arrival_ms: NDArray[np.int64]
    """[N + 1] when each item came into the catalogue, by index"""
    vector: NDArray[np.float32]
    """[N + 1, VECTOR_WIDTH]"""
    price: NDArray[np.float32]
    """[N + 1]"""
    best_recall_at_10: float
    """On items of age below a day, of who knows each user's taste"""


def made_up(users: int, days: int, items_per_day: int, events_per_user: float, seed: int) -> Catalogue:
    """The catalogue and `days` of events; a user chooses about `events_per_user` items a day, none twice."""
    random = np.random.default_rng(seed)
    periods = days * _PERIODS
    arrival = np.repeat(np.arange(periods), max(items_per_day // _PERIODS, 1))  # [N]
    being = random.standard_normal((len(arrival), _TASTE_WIDTH)) / np.sqrt(_TASTE_WIDTH)
    log_price = random.standard_normal(len(arrival))
    taste = random.standard_normal((users, _TASTE_WIDTH)) * _TASTE
    likes_price = random.standard_normal(users) * _PRICE
    score = taste @ being.T + likes_price[:, None] * log_price  # [U, N]
    seen = np.zeros(score.shape, np.bool_)
    chosen: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    hits = cold = 0
    for period in range(periods):
        (offered,) = np.nonzero((arrival <= period) & (arrival > period - _LIFE_DAYS * _PERIODS))
        count = random.poisson(events_per_user / _PERIODS, users)
        open_to = np.where(seen[:, offered], -np.inf, score[:, offered])  # [U, offered]
        best = np.argsort(-open_to, axis=1)[:, :10]
        order = np.argsort(-(open_to + random.gumbel(size=open_to.shape)), axis=1)  # a draw without replacement
        for draw in range(int(count.max(initial=0))):
            (user,) = np.nonzero(count > draw)
            column = order[user, draw]
            item = offered[column]
            seen[user, item] = True
            is_cold = arrival[item] > period - _PERIODS
            cold += int(is_cold.sum())
            hits += int((best[user] == column[:, None]).any(1)[is_cold].sum())
            time_ms = _FIRST_MS + (period * DAY_MS + random.integers(0, DAY_MS, len(user))) // _PERIODS
            chosen.append((user, item, time_ms))
    user, item, time_ms = (np.concatenate(column) for column in zip(*chosen, strict=True))
    order = np.argsort(time_ms, kind="stable")
    index, arrival, being, log_price = _by_first_event(item[order], arrival, being, log_price)
    vector = being @ random.standard_normal((_TASTE_WIDTH, VECTOR_WIDTH))
    vector = vector + random.standard_normal(vector.shape) * _NOISE
    unit, offset = 10.0 ** random.uniform(-3, 3, VECTOR_WIDTH), random.uniform(-100, 100, VECTOR_WIDTH)
    n = len(index)
    nothing = np.full(n, np.nan), np.full(n, "", dtype=np.object_)
    log = EventLog(user[order], index, time_ms[order], np.full(n, type_index("click")), *nothing)
    arrival_ms = _FIRST_MS + arrival * DAY_MS // _PERIODS
    values = (vector + offset) * unit
    return Catalogue(
        log, users, arrival_ms, values.astype(np.float32), np.exp(3 + log_price).astype(np.float32), hits / max(cold, 1)
    )


def _by_first_event(
    item: NDArray[np.int64], arrival: NDArray[np.int64], being: NDArray[np.float64], log_price: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Indices from 1 in the order of first events, as the item register gives them; the items' columns by index."""
    known, first = np.unique(item, return_index=True)
    known = known[np.argsort(first)]
    index = np.zeros(len(arrival), np.int64)
    index[known] = np.arange(1, len(known) + 1)
    by_index = np.concatenate([known[:1], known])  # a row for "no item"
    return index[item], arrival[by_index], being[by_index], log_price[by_index]


def in_batches(events: EventLog, size: int) -> Iterator[EventLog]:
    """The events in stream order, `size` at a time."""
    for low in range(0, len(events), size):
        yield events[low : low + size]
