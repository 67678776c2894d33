"""Rows as workers would have committed them."""

from __future__ import annotations

import numpy as np

from bench.scale_out.releases.row_writer import USERS, RowWriter
from models.data.user_row import user_row_fields
from state.rows import RowLayout
from streams.settings.settings import Settings


def test_rows_hold_the_new_events_and_those_before() -> None:
    settings = Settings()
    writer, layout = RowWriter(settings, items=1000), RowLayout(user_row_fields(settings.model))
    steps: dict[int, int] = {}
    new_items = []
    for _ in range(40):
        users, values = writer.step(2000)
        rows = layout.unpack(values)
        assert (np.diff(users) > 0).all()
        assert rows["new_steps"].sum() == 2000
        for user, row in zip(users.tolist(), rows, strict=True):
            steps[user] = steps.get(user, 0) + int(row["new_steps"])
            assert steps[user] == row["steps"] == row["count"]
        newest = rows["ring_item"][np.arange(len(rows)), (rows["steps"] - 1) % rows["ring_item"].shape[1]]
        new_items.append(newest)
    assert max(steps) < USERS
    counts = np.bincount(np.concatenate(new_items), minlength=1001)
    assert counts[0] == 0
    assert counts[1] > 4 * counts[10] > 0  # Zipf's law: ten times as many
