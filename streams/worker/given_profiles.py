"""Profiles of users in a micro-batch: what `user.upsert` says holds from there on, for the user's later events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.user_profile import profile_of, store_profile, stored_profiles
from streams.schema.events import UserUpsert


class GivenProfile(NamedTuple):
    """A user.upsert."""

    user: int  # index of the user in the part
    event: int  # number of the part's events before it
    offset: int
    upsert: UserUpsert


def apply_profiles(
    profiles: Sequence[GivenProfile],
    rows: NDArray[np.void],
    user_index: NDArray[np.int64],
    event_user: NDArray[np.int64],
    event_index: NDArray[np.int64],
    model: ModelConfig,
) -> NDArray[np.float32]:
    """[n, F] what is known of the user at each event; the rows, in place, get the profiles after the batch."""
    row_of = {user: row for row, user in enumerate(user_index.tolist())}
    profile = stored_profiles(rows)[event_user]
    for given in profiles:
        row, numbers = row_of[given.user], profile_of(model, given.upsert.features, given.upsert.numbers)
        profile[(event_user == row) & (event_index >= given.event)] = numbers
        store_profile(rows, row, numbers)
    return profile
