"""What the online learner goes back to when its optimizer steps are refused one after the other: earlier weights.

Weights can be finite and yet of no use: their loss, or its gradient, is not finite for any batch, and stays so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.errors import LearningError
from models.network.weights import Weights

MAX_REFUSED_STEPS: Final = 20
"""Refused steps in a row, after which the learner goes back"""

_INTERVAL_STEPS: Final = 100
"""Steps between two copies of the weights: a copy costs about as much as a step where there are many items"""

_ADVICE: Final = (
    "lower learning.lr or learning.max_grad_norm, look for huge numbers in the features of the item catalog, or remove "
    "the newest checkpoints to go on from an older one"
)


@dataclass(slots=True)
class FallbackWeights:
    """The newest copy of weights whose loss and gradient were finite, and how many steps were refused since."""

    refused_in_a_row: int = 0
    _weights: Weights | None = None
    _age_steps: int = 0
    _used: bool = False

    def candidate(self, snapshot: Callable[[], Weights]) -> Weights | None:
        """A copy of the weights where one is due; before the step that shows whether they are good."""
        return snapshot() if self._weights is None or self._age_steps >= _INTERVAL_STEPS else None

    def accept(self, candidate: Weights | None) -> None:
        """A step was finite: the candidate, where there is one, is kept."""
        self.refused_in_a_row = 0
        self._age_steps += 1
        if candidate is not None:
            self._weights, self._age_steps, self._used = candidate, 0, False

    def refuse(self) -> Weights | None:
        """A step was not finite: the weights to go on from after too many of them, else None.

        LearningError where there are none, or where they were gone back to before.
        """
        self.refused_in_a_row += 1
        if self.refused_in_a_row < MAX_REFUSED_STEPS:
            return None
        if self._weights is None:
            raise LearningError(
                f"loss or gradient of the first {MAX_REFUSED_STEPS} optimizer steps was not finite: {_ADVICE}"
            )
        if self._used:
            raise LearningError(
                f"loss or gradient of {MAX_REFUSED_STEPS} optimizer steps in a row was not finite, again after "
                f"learning had gone back to the weights of step {self._weights.version}: {_ADVICE}"
            )
        self.refused_in_a_row, self._age_steps, self._used = 0, 0, True
        return self._weights
