"""A decision that waits for feedback, and what events make of it. Pure: knows no topics, stores or clocks."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from models.data.event_types import IMPRESSION
from streams.schema.decisions.decision import Decision
from streams.schema.decisions.reward import Reward
from streams.schema.events import UserEvent
from streams.settings.policy_section import FeedbackSettings

_DWELL: Final = "dwell_s"
_MAX_TYPES: Final = 32  # event types are the sender's: a decision counts so many
_OTHER: Final = "other"
_MOST_EVENT_IDS: Final = 256


class OpenDecision(msgspec.Struct, array_like=True, gc=False):
    """As it is stored, in MessagePack."""

    decision: Decision
    rewards: list[float]
    """By place"""
    dwell: list[float]
    """By place: the share of the full time on its item, the longest so far"""
    counted: dict[str, int]
    """Events that were rewarded, by place and type ("2:click")"""
    feedback: dict[str, int]
    """Events that named the decision and an item of its slate, by type"""
    finished: bool = False
    """An event came that ends the wait"""
    events: list[int] = msgspec.field(default_factory=list)
    """Hashes of the ids of the events that changed it, the newest ones: of those sent twice the second does not"""

    @staticmethod
    def of(decision: Decision) -> OpenDecision:
        """Without feedback. Of what was not shown nothing is kept: rewards do not need it."""
        places = len(decision.slate)
        shown = msgspec.structs.replace(decision, other_items=(), other_interest=(), other_features=())
        return OpenDecision(shown, [0.0] * places, [0.0] * places, {}, {})

    def add(self, event: UserEvent, settings: FeedbackSettings) -> bool:
        """Counts the event; whether that changed anything. Events of other items, or behind the horizon, do not."""
        decision = self.decision
        if event.item_id is None or event.item_id not in decision.slate:
            return False
        if event.time_ms > decision.time + settings.horizon_s * 1000:
            return False
        place = decision.slate.index(event.item_id)
        name = event.event_type if event.event_type in self.feedback or len(self.feedback) < _MAX_TYPES else _OTHER
        self.feedback[name] = self.feedback.get(name, 0) + 1
        weight = settings.weights.get(event.event_type, 0.0)
        counter = f"{place}:{event.event_type}"
        if weight and self.counted.get(counter, 0) < settings.repeats:
            self.counted[counter] = self.counted.get(counter, 0) + 1
            self.rewards[place] += weight
        if settings.dwell_weight and (share := _dwell_share(event, settings)) > self.dwell[place]:
            self.rewards[place] += settings.dwell_weight * (share - self.dwell[place])
            self.dwell[place] = share
        self.finished |= event.event_type == settings.closing_type
        if event.event_id:
            self.events = [*self.events[1 - _MOST_EVENT_IDS :], event_hash(event)]
        return True

    def reward(self, closed_at: int) -> Reward:
        """The record that says what came of it."""
        decision = self.decision
        return Reward(
            decision_id=decision.decision_id,
            user_id=decision.user_id,
            time=decision.time,
            closed_at=closed_at,
            closed="feedback" if self.finished else "horizon",
            policy=decision.policy,
            policy_version=decision.policy_version,
            experiment=decision.experiment,
            arm=decision.arm,
            slate=decision.slate,
            propensities=decision.propensities,
            rewards=tuple(self.rewards),
            reward=sum(self.rewards),
            feedback=self.feedback,
            interest=decision.interest,
            features=decision.features,
            context=decision.context,
        )


def named_decision(event: UserEvent, open_decisions: Sequence[OpenDecision]) -> OpenDecision | None:
    """The newest of the user's open decisions that the event names, None where it names none of them.

    By decision_id; without, by the prediction that the decision was made from; without either, by its impression, the
    items that the user was shown, in order, with which the slate begins or which are the slate's beginning.
    """
    newest_first = sorted(open_decisions, key=lambda known: known.decision.time, reverse=True)
    if event.decision_id is not None:
        return next((known for known in newest_first if known.decision.decision_id == event.decision_id), None)
    for known in newest_first:
        decision = known.decision
        if event.item_id not in decision.slate:
            continue
        if event.prediction_id is not None:
            if event.prediction_id in (decision.prediction_id, decision.decision_id):
                return known
        elif event.impression:
            shown = min(len(event.impression), len(decision.slate))
            if event.impression[:shown] == decision.slate[:shown]:
                return known
    return None


def names_a_decision(event: UserEvent) -> bool:
    """Whether the event may be feedback of a decision."""
    return event.decision_id is not None or event.prediction_id is not None or bool(event.impression)


def event_hash(event: UserEvent) -> int:
    """What `OpenDecision.events` holds of the event's id."""
    return int.from_bytes(blake2b(event.event_id.encode(), digest_size=8).digest())


def _dwell_share(event: UserEvent, settings: FeedbackSettings) -> float:
    """How long the user stayed on the item, as a share of the full time, at most 1; 0 where the event does not say."""
    if event.properties is msgspec.UNSET or event.event_type == IMPRESSION:
        return 0.0
    try:
        seconds = msgspec.json.decode(event.properties, type=dict[str, object]).get(_DWELL)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0.0
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return 0.0
    return min(seconds, settings.dwell_full_s) / settings.dwell_full_s
