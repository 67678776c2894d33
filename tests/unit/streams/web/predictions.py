"""Predictions as workers write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.schema.predictions import Carriers, Prediction, Source
from tests.inputs import FIRST_MS


def prediction(
    user: str,
    offset: int = 0,
    items: Mapping[str, float] | None = None,
    categories: Mapping[str, float] | None = None,
    **fields: Any,
) -> Prediction:
    """A user's prediction after the event at this offset of partition 0."""
    items = {"i1": 0.5, "i2": 0.25} if items is None else items
    categories = {"Drama": 0.5} if categories is None else categories
    given: dict[str, Any] = {
        "prediction_id": f"user-events:0:{offset}",
        "user_id": user,
        "caused_by": f"e{offset}",
        "event_time": FIRST_MS + offset * 1000,
        "emitted_at": FIRST_MS + offset * 1000,
        "model_version": "00000001.1",
        "state_version": offset,
        "source": Source("user-events", 0, offset),
        "items": list(items),
        "item_p": list(items.values()),
        "other_p": max(0.0, 1.0 - sum(items.values())),
        "categories": list(categories),
        "category_p": list(categories.values()),
        "because": ["i1"],
        "because_weight": [0.5],
        "because_other": 0.25,
        "carried_by": Carriers(0.25, 0.25, 0.25, 0.25),
    }
    return Prediction(**given | fields)


def encoded(prediction: Prediction) -> tuple[bytes, bytes]:
    """Key and value of its record."""
    return prediction.user_id.encode(), msgspec.json.encode(prediction)
