"""A small log of purchases, laid out like the known one: regular customers, and those who leave."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from models.data.event_log import EventLog

DAY_S = 86_400


def purchases(users: int = 40, days: int = 546, seed: int = 0) -> list[tuple[int, int]]:
    """(day, user): even users buy about every 20 days, odd ones stop after a few purchases."""
    random = np.random.default_rng(seed)
    events = []
    for user in range(users):
        day, count = float(random.integers(0, 60)), 0
        while day < days and (user % 2 == 0 or count < 4):
            events.append((int(day), user))
            count += 1
            day += 1 + random.exponential(19)
    return sorted(set(events))


def write_cdnow(folder: Path) -> Path:
    file = folder / "cdnow" / "events.csv.gz"
    file.parent.mkdir(parents=True)
    with gzip.open(file, "wt") as out:
        out.write("user,timestamp,quantity,value,event_type\n")
        for day, user in purchases():
            out.write(f"{user:05},{(10_000 + day) * DAY_S},1,{10 + user}.5,purchase\n")
            if user == 2:
                out.write(f"{user:05},{(10_000 + day) * DAY_S},1,1,purchase\n")  # of the same day
    return folder


def log_of(events: list[tuple[int, int]]) -> EventLog:
    """(day, user) in order of time."""
    days, users = (np.array(column, np.int64) for column in zip(*events, strict=True))
    zeros = np.zeros(len(days), np.int64)
    return EventLog(
        users, zeros, days * DAY_S * 1000, zeros, np.full(len(days), np.nan), np.full(len(days), "", np.object_)
    )
