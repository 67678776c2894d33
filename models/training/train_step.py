"""What an optimizer step of the online learner did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainStepResult:
    """What one optimizer step did."""

    loss: float
    """Mean loss of the targets before the step (loss.py), weighted by event type; NaN where skipped or no target"""
    events: int
    """New events that were taken from the queue"""
    seconds: float
    skipped: bool
    """Loss or gradient was not finite: nothing was learnt, and the events are not tried again, nor replayed"""
    left_out: float
    """Influence that new events lacked to `events` in all (models/data/influence.py)"""
