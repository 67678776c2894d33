"""The join of one step: decisions, then events, then deadlines become rewards and changes of what waits.

Pure computing over a store as it is committed; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streams.feedback.feedback_store import FeedbackStore, decision_key, encode_open
from streams.feedback.open_decision import OpenDecision, event_hash, named_decision, names_a_decision
from streams.schema.decisions.decision import Decision
from streams.schema.decisions.reward import Reward
from streams.schema.events import Event, UserDelete, UserEvent
from streams.settings.policy_section import FeedbackSettings

MAX_CLOSED: Final = 5000
"""Decisions of a partition that one step closes at most"""
_MAX_OPEN: Final = 1000
"""Decisions of a user that wait; of more the oldest is closed early, so that no one user makes all steps slow"""


@dataclass(slots=True)
class JoinCounts:
    """What a step's records were."""

    decisions: int = 0
    feedback: int = 0
    repeated: int = 0
    """Events that came before, by their id"""
    unmatched: int = 0
    """Events that name a decision that does not wait, or has not shown their item"""
    rewards: int = 0
    erased: int = 0
    """Decisions of users who were erased"""


@dataclass(slots=True)
class Join:
    """One step of one partition."""

    store: FeedbackStore
    settings: FeedbackSettings
    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    """For the changelog and the store"""
    rewards: list[Reward] = field(default_factory=list)
    counts: JoinCounts = field(default_factory=JoinCounts)
    _users: dict[str, dict[str, OpenDecision]] = field(default_factory=dict)

    def add_decisions(self, decisions: Iterable[Decision], now_ms: int) -> None:
        """These wait for feedback now; one that waits already, sent twice, is left as it is."""
        for decision in decisions:
            of_user = self._of_user(decision.user_id)
            if decision.decision_id in of_user or not decision.slate:
                continue
            self.counts.decisions += 1
            known = OpenDecision.of(decision)
            of_user[decision.decision_id] = known
            self._put(known)
            if len(of_user) > _MAX_OPEN:
                self._close(min(of_user.values(), key=lambda other: other.decision.time), now_ms)

    def add_events(self, events: Iterable[Event | None], now_ms: int) -> None:
        """Feedback, and erasures: a user who is erased is waited for no more."""
        for event in events:
            if isinstance(event, UserDelete):
                for known in list(self._of_user(event.user_id).values()):
                    self.counts.erased += 1
                    self._drop(known)
            elif isinstance(event, UserEvent) and names_a_decision(event):
                of_user = list(self._of_user(event.user_id).values())
                known_decision = named_decision(event, of_user)
                if event.event_id:
                    number = event_hash(event)  # of any decision: without its id an event may name another than before
                    if any(number in known.events for known in of_user):
                        self.counts.repeated += 1
                        continue
                if known_decision is None or not known_decision.add(event, self.settings):
                    self.counts.unmatched += 1
                    continue
                self.counts.feedback += 1
                if known_decision.finished:
                    self._close(known_decision, now_ms)
                else:
                    self._put(known_decision)

    def close_due(self, stream_ms: int) -> bool:
        """Closes the decisions whose horizon, and the grace, are over; whether there may be more.

        `stream_ms`: up to where all events are read.
        """
        due = list(self.store.due(stream_ms - int(self.settings.grace_s * 1000), MAX_CLOSED))
        for stored in due:
            decision = stored.decision
            known = self._of_user(decision.user_id).get(decision.decision_id)
            if known is not None:
                self._close(known, stream_ms)
        return len(due) == MAX_CLOSED

    def _of_user(self, user_id: str) -> dict[str, OpenDecision]:
        if user_id not in self._users:
            self._users[user_id] = {known.decision.decision_id: known for known in self.store.of_user(user_id)}
        return self._users[user_id]

    def _put(self, known: OpenDecision) -> None:
        decision = known.decision
        self.changes[decision_key(decision.user_id, decision.decision_id)] = encode_open(known)

    def _close(self, known: OpenDecision, now_ms: int) -> None:
        self.counts.rewards += 1
        self.rewards.append(known.reward(now_ms))
        self._drop(known)

    def _drop(self, known: OpenDecision) -> None:
        decision = known.decision
        del self._users[decision.user_id][decision.decision_id]
        self.changes[decision_key(decision.user_id, decision.decision_id)] = None
