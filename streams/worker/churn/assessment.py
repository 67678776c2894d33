"""Levels of risk from rows, and the records that say so. Pure computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.data.horizons.activity import DECAY_DAYS, Activity
from models.data.horizons.horizon_days import DAY_S
from models.inference.predictions import ModelVersion, Outlook
from models.items.vocabulary import ItemVocabulary
from streams.schema.churn import LEVELS, ChurnWarning, Reason
from streams.schema.prediction_encoder import truncated, types_and_spending
from streams.settings.churn_section import ChurnSettings

_SILENT_GAPS: Final = 2.0
"""Own gaps from which on it is the silence that shows"""
_FALLEN: Final = 0.7
"""Engagement below which it had fallen before the silence"""
_MONTH, _QUARTER = DECAY_DAYS.index(30.0), DECAY_DAYS.index(90.0)


def risk_levels(
    no_event_p: NDArray[np.float64], silent_s: NDArray[np.float64], known: NDArray[np.int64], settings: ChurnSettings
) -> NDArray[np.int64]:
    """[U] index into LEVELS of each user: never below the one `known` [U], which only an event of the user ends."""
    level = (no_event_p >= settings.at_risk_p).astype(np.int64) + (no_event_p >= settings.lost_p)
    return np.maximum(known, np.where(silent_s >= settings.min_silent_days * DAY_S, level, 0))


@dataclass(frozen=True, slots=True)
class Engagement:
    """How active U users were before they fell silent."""

    usual_gap_days: NDArray[np.float64]
    """[U] geometric mean of the gaps that the row holds; 0 where there is none"""
    ratio: NDArray[np.float64]
    """[U] events a day in the last month of activity, over those of the last three; 1 where that is not known"""

    @staticmethod
    def of(rows: NDArray[np.void]) -> Engagement:
        """Of stored rows."""
        activity = Activity.of(rows)
        age_days = np.maximum(activity.age_s / DAY_S, 1.0)
        # The exponential windows, less the part that lies before the user's first event; the last event itself is out.
        rates = [
            np.maximum(activity.decayed[:, index] - 1, 0) / (days * -np.expm1(-age_days / days))
            for index, days in ((_MONTH, DECAY_DAYS[_MONTH]), (_QUARTER, DECAY_DAYS[_QUARTER]))
        ]
        ratio = np.where(rates[1] > 0, rates[0] / np.maximum(rates[1], 1e-12), 1.0)
        return Engagement(np.expm1(activity.mean_log_gap), ratio)

    def reason(self, user: int, silent_days: float) -> Reason:
        """What shows that the user leaves."""
        if 0 < self.usual_gap_days[user] * _SILENT_GAPS < silent_days:
            return "silence"
        return "engagement" if self.ratio[user] < _FALLEN else "forecast"


def warnings_of(
    users: list[bytes],
    rows: NDArray[np.void],
    levels: NDArray[np.int64],
    outlook: Outlook,
    silent_s: NDArray[np.float64],
    items: ItemVocabulary,
    version: ModelVersion,
    now_ms: int,
) -> list[bytes]:
    """Values of the records of these users, whose level is now `levels` [U]."""
    engagement, month = Engagement.of(rows), len(outlook.days) - 1
    no_event_p = truncated(1 - outlook.return_p[:, month])
    category_p, item_p = truncated(outlook.category_p[:, month]), truncated(outlook.item_p[:, month])
    values = []
    every_horizon = list(types_and_spending(outlook))
    for user, name in enumerate(users):
        further = every_horizon[user * len(outlook.days) + month]
        categories = [index for index in outlook.category[user, month].tolist() if index >= 0]
        wanted = [index for index in outlook.item[user, month].tolist() if index > 0]
        silent_days, row = float(silent_s[user]) / DAY_S, rows[user]
        warning = ChurnWarning(
            name.decode(),
            LEVELS[int(levels[user])],
            now_ms,
            int(row["last_time_ms"]),
            float(no_event_p[user]),
            engagement.reason(user, silent_days),
            round(silent_days, 3),
            round(float(engagement.usual_gap_days[user]), 3),
            round(float(engagement.ratio[user]), 3),
            [items.categories[index] for index in categories],
            category_p[user, : len(categories)].tolist(),
            [items.id(index) for index in wanted],
            item_p[user, : len(wanted)].tolist(),
            str(version),
            int(row["count"]),
            **further,
        )
        values.append(msgspec.json.encode(warning))
    return values


def return_of(user: bytes, row: NDArray[np.void], version: ModelVersion) -> bytes:
    """Value of the record of a user who was warned of, and has come back."""
    time_ms = int(row["last_time_ms"])
    warning = ChurnWarning(
        user.decode(), "none", time_ms, time_ms, 0.0, "returned", 0.0, 0.0, 1.0, [], [], [], [], str(version),
        int(row["count"]),
    )  # fmt: skip
    return msgspec.json.encode(warning)
