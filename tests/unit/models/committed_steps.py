"""Steps as a worker takes them once they are committed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.inference.engine import Engine
from models.inference.step_result import StepResult


def committed_step(
    engine: Engine, batch: EventBatch, rows: NDArray[np.void], per: Literal["user", "event"] = "user"
) -> StepResult:
    """The step's result, whose events the engine has observed."""
    step = engine.step(batch, rows, per)
    engine.observe(step)
    return step
