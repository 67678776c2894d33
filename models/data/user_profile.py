"""Profiles of users: numbers that describe them, as rows store them and as the network gets them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig


def profile_of(config: ModelConfig, features: Sequence[float], numbers: Mapping[str, float]) -> NDArray[np.float32]:
    """[F] of one user, NaN where missing: the vector, then the named numbers n as sign(n) log(1 + |n|)."""
    profile = np.full(config.profile_width, np.nan, np.float32)
    vector = features[: config.user_features]
    profile[: len(vector)] = vector
    for column, name in enumerate(config.user_number_names, config.user_features):
        number = numbers.get(name)
        if number is not None:
            profile[column] = np.sign(number) * np.log1p(abs(number))
    return profile


def stored_profiles(rows: NDArray[np.void]) -> NDArray[np.float32]:
    """[U, F] profiles of the rows, NaN where missing; F is 0 in models that read none."""
    if "profile" not in (rows.dtype.names or ()):
        return np.zeros((len(rows), 0), np.float32)
    return np.where(rows["profile_known"] > 0, rows["profile"], np.nan).astype(np.float32)


def store_profile(rows: NDArray[np.void], user: int, profile: NDArray[np.float32]) -> None:
    """Replace the profile of a row."""
    known = np.isfinite(profile)
    rows["profile"][user], rows["profile_known"][user] = np.where(known, profile, 0), known
