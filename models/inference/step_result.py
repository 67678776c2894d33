"""What a step of the engine makes of a micro-batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.gate import GateExamples
from models.inference.predictions import Predictions
from models.items.reviews import Reviews
from models.metrics.prequential_sample import PrequentialSample


@dataclass(frozen=True, slots=True)
class StepResult:
    """Rows and predictions after one micro-batch."""

    rows: NDArray[np.void]
    """[U] the rows after the batch; fields that the model does not know are as they were"""
    predictions: Predictions
    nonfinite_rows: NDArray[np.int64]
    """Rows whose recurrent state was not finite. Where it became so in this step, the old `h`, `c` are kept; where it
    was so before, they were recomputed from the stored history first. All other fields advanced as usual"""
    new_events: NDArray[np.int64]
    """[U] events of the batch"""
    rebuilt_rows: int = 0
    """How many rows had `h`, `c` of weights of another lineage: they were recomputed from the stored history first"""
    sample: PrequentialSample | None = None
    """Some of the events, scored before the batch is counted; None where no event has an item"""
    gate_examples: Sequence[GateExamples] = ()
    """The same events as the gate of the experts learns from them"""
    reviews: Reviews | None = None
    """Texts of the events"""
