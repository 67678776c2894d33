"""Engines that replace the network where only the path around it is tested."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.inference.predictions import CARRIERS, ModelVersion, Predictions
from models.inference.step_result import StepResult
from models.network.weights import INITIAL_LINEAGE


class RowCopy:
    """Rows as they were, and for each event its own item as the only prediction."""

    def step(
        self,
        batch: EventBatch,
        rows: NDArray[np.void],
        per: Literal["user", "event"] = "user",
        lineage: NDArray[np.uint32] | None = None,
    ) -> StepResult:
        """A copy of the rows, and one prediction per event."""
        n = len(batch)
        predictions = Predictions(
            event=np.arange(n),
            item=batch.item[:, None],  # [n, 1]
            item_p=np.full((n, 1), 0.5, np.float32),
            other_p=np.full(n, 0.5, np.float32),
            category=np.zeros((n, 0), np.int64),
            category_p=np.zeros((n, 0), np.float32),
            because=np.zeros((n, 0), np.int64),
            because_weight=np.zeros((n, 0), np.float32),
            carried_by=np.full((n, len(CARRIERS)), 0.25, np.float32),
            model_version=ModelVersion(INITIAL_LINEAGE, 1),
        )
        new_events = np.bincount(batch.user, minlength=len(rows))
        return StepResult(rows.copy(), predictions, np.zeros(0, np.int64), new_events)
