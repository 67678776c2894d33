"""Event types that are not known: treated as `other`, and logged once by name so that somebody maps them."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from models.data.event_types import type_index
from streams.worker.batch import MicroBatch

log = logging.getLogger(__name__)

MOST_NAMES: Final = 100


class UnknownTypes:
    """The names that were logged, up to a bound."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def log_once(self, batch: MicroBatch) -> None:
        """Logs the unknown event types of the batch that were not logged before."""
        for index in np.flatnonzero(batch.event_batch.type == type_index("other")).tolist():
            name = batch.events[index].event_type
            if name == "other" or name in self._logged or len(self._logged) >= MOST_NAMES:
                continue
            self._logged.add(name)
            log.warning(
                "event type %r is not known and counts as 'other'; map it in interest.toml: [events.types] %r = 'view'",
                name,
                name,
            )
            if len(self._logged) == MOST_NAMES:
                log.warning("%d unknown event types: no more of them are logged", MOST_NAMES)
