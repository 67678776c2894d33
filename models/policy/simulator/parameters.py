"""Parameters of the simulated users, fixed before any policy was tuned on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SimulatorParameters:
    """Each round, every user gets one slate. Of the defaults, nothing is to be learnt but the users' drift."""

    users: int = 500
    rounds: int = 200
    categories: int = 8
    items: int = 60
    """On offer at any time; all are candidates of every decision"""
    examination: tuple[float, ...] = (1.0, 0.7, 0.5, 0.35)
    """Position bias: probability that a user looks at each place of the slate"""
    click_p: float = 0.08
    """Mean probability of a click on an item that a user looks at"""
    max_click_p: float = 0.95
    affinity_deviation: float = 1.0
    """Of the logarithm of a user's affinity for a category"""
    drift: float = 0.03
    """Of that logarithm's random walk, per round; it returns to its mean, so that the deviation stays"""
    quality_deviation: float = 0.6
    """Of the logarithm of an item's quality"""
    prediction_lag: float = 0.2
    """Share of the distance to a user's affinity by which the prediction follows in a round"""
    prediction_error: float = 0.1
    """Of the logarithm of an item's quality, as predicted"""
    purchase_p: float = 0.15
    """Mean probability that a click leads to a purchase; an item's own differs by up to as much"""
    purchase_reward: float = 3.0
    """A click's is 1"""
    purchase_delay_rounds: float = 2.0
    """Mean of the geometric delay of a purchase"""
    horizon_rounds: int = 4
    """Rounds until the reward of a decision is learnt: later purchases are lost to learning"""
    satiation: float = 0.0
    """Strength: a place that shows a category makes this less, on the log scale, of the user's next clicks on it"""
    satiation_memory: float = 0.9
    """What a round leaves of satiation"""
    arrivals: float = 0.0
    """New items per round, each in place of the oldest; their quality is predicted as the mean of all, times:"""
    new_item_prediction: tuple[float, ...] = (1.0,)
    """Of a new item, the predicted share by the observed one: before its first click, with 1 of all users, with 2 or 3,
    with 4 to 7 …; the last one for all that are more"""
    change_round: int | None = None
    """Round in which tastes change: appeal of categories and quality of items are drawn anew, predictions stay"""


MEASURED_PREDICTION: Final = (0.0, 0.94, 0.91, 1.03, 0.97, 0.93, 0.92)
"""What a worker predicts of items with as many events, by `python -m bench policy --new-items`: nothing without any"""

SCENARIOS: Final[dict[str, SimulatorParameters]] = {
    "plain": SimulatorParameters(),
    "satiation": SimulatorParameters(satiation=0.2),
    "cold_items": SimulatorParameters(arrivals=0.6, new_item_prediction=MEASURED_PREDICTION),
    "cold_items_predicted": SimulatorParameters(arrivals=0.6),
    "change_of_taste": SimulatorParameters(change_round=100),
    "all": SimulatorParameters(satiation=0.2, arrivals=0.6, new_item_prediction=MEASURED_PREDICTION, change_round=100),
}
"""By name; `plain` has neither satiation nor cold items nor a change"""
