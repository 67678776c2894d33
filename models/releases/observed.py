"""What a trainer made of some rows."""

from dataclasses import dataclass

from models.metrics.prequential_sample import PrequentialSample


@dataclass(frozen=True, slots=True)
class Observed:
    """Counts of new events, and how some of them were predicted."""

    events: int
    """New events that the rows held"""
    missed: int
    """New events that they did not hold, and that are neither counted nor learnt: a row has a user's last ones, and one
    step had more of the user"""
    sample: PrequentialSample | None
    """Some of the events, scored before anything was counted or learnt; None where none has an item"""
