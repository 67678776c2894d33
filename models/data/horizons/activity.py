"""How active a user has been, counted from their stored row: recency, frequency, age, rhythm, spending.

A row knows gaps between events to a power of two (user_state.GAP_BUCKETS): what is counted here is as exact as that.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.horizon_days import DAY_S

_Number = TypeVar("_Number", np.float32, np.float64)

DECAY_DAYS: Final = (1.0, 7.0, 30.0, 90.0)
"""Times after which an event counts e times less in `decayed`"""

STATE_FEATURES: Final = 10 + len(DECAY_DAYS)
RECENCY_FEATURES: Final = 12 + len(DECAY_DAYS)

MEAN_VALUE: Final = 11
"""Of the recency features: mean value, on a scale of octaves"""

_GAP_S: Final = np.concatenate([[0.0], 0.75 * 2.0 ** np.arange(1, 256) - 1]).clip(max=4e9)
"""The middle of each bucket of gaps; 0 for a user's first event"""
_LOG_GAP: Final = np.log1p(_GAP_S / DAY_S)
_OF_GAP: Final = np.column_stack([_GAP_S, _LOG_GAP, _LOG_GAP**2, _GAP_S > 0])
"""[256, 4] what is summed of each bucket of gaps; the last column counts them"""
_DECAY_RATE: Final = (-1 / (np.array(DECAY_DAYS) * DAY_S)).astype(np.float32)
_VALUE_SCALE: Final = 64.0
_ZERO_VALUE: Final = 128.0
_PER_OCTAVE: Final = 8.0
_OF_VALUE: Final = np.column_stack(
    [np.concatenate([[0.0], (np.arange(1, 256) - _ZERO_VALUE) / _VALUE_SCALE]), np.arange(256) > 0]
)
"""[256, 2] likewise of values: on a scale of octaves, 0 of an event without one; and how many there are"""


@dataclass(frozen=True, slots=True)
class Activity:
    """What U rows tell of their users' activity, as of each user's last event."""

    events: NDArray[np.float64]
    """[U] how many so far"""
    age_s: NDArray[np.float64]
    """[U] from the first event to the last; from what the row holds, where that is not all"""
    last_gap_s: NDArray[np.float64]
    """[U] before the last event; 0 of a first one"""
    mean_log_gap: NDArray[np.float64]
    """[U] of the gaps that the row holds, log(1 + days); 0 without any"""
    std_log_gap: NDArray[np.float64]
    """[U] their standard deviation"""
    decayed: NDArray[np.float64]
    """[U, 4] events, each counted e times less after each of DECAY_DAYS"""
    last_value: NDArray[np.float64]
    """[U] value of the last event on a scale of octaves (event_features.value_buckets); 0 without one"""
    mean_value: NDArray[np.float64]
    """[U] of the events that the row holds and that have one; 0 without any"""

    @staticmethod
    def of(rows: NDArray[np.void]) -> "Activity":
        """From stored rows [U]; users without events have zeros."""
        ring = rows["ring_item"].shape[1]
        steps = rows["steps"].astype(np.int64)
        width = int(np.minimum(steps, ring).max(initial=0))  # most users have few events
        slot = (steps[:, None] - 1 - np.arange(width)) % ring  # [U, W] newest first
        row = np.arange(len(rows))[:, None]
        return Activity.of_history(steps, rows["ring_gap"][row, slot], rows["ring_value"][row, slot])

    @staticmethod
    def of_history(steps: NDArray[np.int64], gap_bucket: NDArray[Any], value_bucket: NDArray[Any]) -> "Activity":
        """From the events [U, W] that the rows hold, newest first; `steps` [U]: of the user so far."""
        width = gap_bucket.shape[1]
        valid = np.arange(width) < steps[:, None]
        of_gap, of_value = _OF_GAP[gap_bucket * valid], _OF_VALUE[value_bucket * valid]  # [U, W, …]
        gap_s, log_gap, square, gaps = of_gap.sum(1).T  # [U]
        octaves, values = of_value.sum(1).T  # [U]
        gaps = np.maximum(gaps, 1)
        mean = log_gap / gaps
        older = np.zeros(valid.shape, np.float32)  # [U, W] by how much each event is older than the last
        np.cumsum(of_gap[:, :-1, 0], axis=1, out=older[:, 1:])
        decayed = np.exp(older[:, :, None] * _DECAY_RATE)  # [U, W, 4]
        none = np.zeros(len(steps))
        return Activity(
            events=steps.astype(np.float64),
            # The row holds the gaps before its K last events: those before had as long ones, as far as it tells.
            age_s=gap_s * np.maximum(steps - 1, 1) / gaps,
            last_gap_s=of_gap[:, 0, 0] if width else none,
            mean_log_gap=mean,
            std_log_gap=np.sqrt(np.maximum(square / gaps - np.square(mean), 0)),
            decayed=np.matmul(valid[:, None, :].astype(np.float32), decayed)[:, 0].astype(np.float64),
            last_value=of_value[:, 0, 0] if width else none,
            mean_value=octaves / np.maximum(values, 1),
        )

    def state_features(self) -> NDArray[np.float32]:
        """[U, STATE_FEATURES] as of the last event, of about the size of 1."""
        log_age, log_gap = np.log1p(self.age_s / DAY_S), np.log1p(self.last_gap_s / DAY_S)
        columns = [
            np.log(np.maximum(self.events, 1)) / 2,
            self.events == 1,
            self.events == 2,
            log_age / 3,
            log_gap / 3,
            self.mean_log_gap / 3,
            self.std_log_gap,
            np.log1p(self.events / (1 + self.age_s / DAY_S)),
            self.last_value,
            self.mean_value,
        ]
        return _joined(columns, np.log(np.maximum(self.decayed, 1e-3)) / 2, np.float32)

    def recency_features(self, silent_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """[U, …, RECENCY_FEATURES] after so many silent seconds [U, …]: recency, frequency, age, and what they make."""
        extra = (1,) * (silent_s.ndim - 1)
        events, age_s, rhythm, spread, value = (
            array.reshape(-1, *extra)
            for array in (self.events, self.age_s, self.mean_log_gap, self.std_log_gap, self.mean_value)
        )
        silent = np.maximum(silent_s, 0) / DAY_S
        log_silent, log_events = np.log1p(silent), np.log(np.maximum(events, 1))
        log_age = np.log1p(age_s / DAY_S + silent)
        columns = [
            np.ones_like(events),
            log_silent,
            log_events,
            log_age,
            log_silent * log_events,
            log_silent * log_age / 3,
            log_silent**2 / 3,
            log_events**2,
            events == 1,
            # By how much the silence exceeds the user's own rhythm; without a gap, that of all is in the other terms.
            np.where(events > 1, log_silent - rhythm, 0),
            spread,
            value,
        ]
        faded = np.exp(-silent[..., None] / np.array(DECAY_DAYS))
        decayed = np.log1p(self.decayed.reshape(-1, *extra, len(DECAY_DAYS)) * faded)
        return _joined(columns, decayed, np.float64)


def _joined(columns: list[NDArray[Any]], last: NDArray[np.float64], number_type: type[_Number]) -> NDArray[_Number]:
    """[U, …, F] the columns [U, …] and then `last` [U, …, f]: np.column_stack in a quarter of the time."""
    joined = np.empty((*last.shape[:-1], len(columns) + last.shape[-1]), number_type)
    for number, column in enumerate(columns):
        joined[..., number] = column
    joined[..., len(columns) :] = last
    return joined


def mean_value_of(feature: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] values of which a feature MEAN_VALUE [n] is the mean, by octaves; 0 without any."""
    octaves = feature * _VALUE_SCALE / _PER_OCTAVE
    value: NDArray[np.float64] = np.sign(octaves) * (2 ** np.abs(octaves) - 1)
    return value


def value_of_bucket(bucket: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Values of buckets (event_features.value_buckets); 0 of an event without one."""
    octaves = np.where(bucket > 0, (bucket.astype(np.float64) - _ZERO_VALUE) / _PER_OCTAVE, 0)
    value: NDArray[np.float64] = np.sign(octaves) * (2 ** np.abs(octaves) - 1)
    return value
