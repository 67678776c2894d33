"""The demo's decisions: what each user is to be shown, an experiment on it, and which events each decision led to.

A shelf of three places is filled from items among which is the one that the user takes next; the event names the
decision if the item is on the shelf. So the reward of a decision is whether it showed what the user wanted.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from streams.demo.input import DECISION_USERS
from streams.experiments.experiment_topic import create_experiment
from streams.files.logged_event import LoggedEvent
from streams.files.synthetic import EVENT_TYPES
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.schema.decisions.experiment import Arm, Experiment, Guardrail
from streams.settings.settings import Settings

EXPERIMENT: Final = "shelf"
CANDIDATES: Final = 24
PLACES: Final = 3
_EVERY: Final = 4  # events for one decision
HORIZON_S: Final = 3.0
_GRACE_S: Final = 1.0


def decision_settings(folder: Path) -> list[str]:
    """The settings ("section.key=value") of processes that decide in the demo."""
    weights = ", ".join(f"{name} = 1.0" for name in EVENT_TYPES)
    return [
        "policy.kinds=softmax,thompson",
        f"policy.data_dir={folder}",
        f"feedback.horizon_s={HORIZON_S}",
        f"feedback.grace_s={_GRACE_S}",
        f"feedback.weights={{ {weights} }}",
    ]


async def begin_experiment(settings: Settings) -> None:
    """Shelves that are filled at random, beside those that a policy fills which learns from what is taken."""
    await create_experiment(
        settings,
        Experiment(
            name=EXPERIMENT,
            created_at=int(time.time() * 1000),
            arms=(
                Arm(name="at-random", policy="softmax", parameters={"temperature": 1e6}),
                Arm(name="thompson", policy="thompson"),
            ),
            control="at-random",
            salt=EXPERIMENT,
            expected_users=DECISION_USERS,
            min_users=30,
            guardrails=(Guardrail(metric="reward", harm="decrease", allowed=0.02),),
        ),
    )


class DecisionTraffic:
    """Requests as events are sent, and events that name the decisions which showed their item."""

    def __init__(self, events: Sequence[LoggedEvent], items: Sequence[str], seed: int) -> None:
        self._events = events
        self._items = items
        self._random = random.Random(seed)
        self._next: dict[int, int] = {}
        last: dict[str, int] = {}
        for index, event in enumerate(events):
            if event.user_id in last:
                self._next[last[event.user_id]] = index
            last[event.user_id] = index
        self._shown: dict[str, Decision] = {}
        self.requested = 0
        self.decided = 0

    def requests(self, start: int, end: int) -> list[DecisionRequest]:
        """What is asked once the events from `start` to `end` have been sent: what to show before the users' next."""
        requests = []
        for index in range(start, end):
            following = self._next.get(index)
            if index % _EVERY or following is None or not (wanted := self._events[following].item_id):
                continue
            others = [item for item in self._random.sample(self._items, CANDIDATES) if item != wanted]
            candidates = [wanted, *others[: CANDIDATES - 1]]
            self._random.shuffle(candidates)
            user_id, request_id = self._events[index].user_id, str(following)
            requests.append(
                DecisionRequest(user_id, PLACES, tuple(candidates), experiment=EXPERIMENT, request_id=request_id)
            )
        self.requested += len(requests)
        return requests

    def show(self, decision: Decision) -> None:
        """The user sees it, until the next."""
        self.decided += 1
        if decision.request_id is not None:
            self._shown[decision.request_id] = decision

    def named(self, start: int, end: int) -> list[LoggedEvent]:
        """The events from `start` to `end`, those with the decision that led to them which have one."""
        return [self._named(index, self._events[index]) for index in range(start, end)]

    def _named(self, index: int, event: LoggedEvent) -> LoggedEvent:
        decision = self._shown.pop(str(index), None)
        if decision is None or event.item_id not in decision.slate:
            return event
        fields: Mapping[str, object] = {**(event.extra_fields or {}), "decision_id": decision.decision_id}
        return replace(event, extra_fields=fields)
