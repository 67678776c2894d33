"""Ranges of the options of policies: outside of them, probabilities would be none."""

from __future__ import annotations

from typing import Any, Final

SHARE: Final = (0.0, 1.0)
POSITIVE: Final = (1e-9, 1e9)
NOT_NEGATIVE: Final = (0.0, 1e9)
COUNT: Final = (1, 1_000_000)


def check_ranges(options: Any, **ranges: tuple[float, float]) -> None:
    """Raises ValueError where one of these attributes lies outside of its range, both ends included."""
    for name, (low, high) in ranges.items():
        if not low <= (value := getattr(options, name)) <= high:
            raise ValueError(f"{name} must be from {low:g} to {high:g}, not {value}")
