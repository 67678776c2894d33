"""Users who are shown slates and react: impressions, clicks and delayed purchases that name their decision.

The users are those of `models.policy.simulator`, with satiation, new items and a change of taste in the middle; what
they are shown is chosen from their CANDIDATES items of the highest predicted interest, by its softmax. Decisions have
what those of `interest-stream policy` have: propensities, features, and the candidates that were not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.features import feature_count
from models.policy.simulator.parameters import SCENARIOS
from models.policy.simulator.world import Feedback, World
from models.policy.slate import NO_ITEM, CandidateBatch, IntArray, SlateBatch
from streams.files.item_files import FileItem
from streams.files.logged_event import LoggedEvent
from streams.files.synthetic import START_MS, TOPICS, item_name, user_name
from streams.policy.features import item_features, user_context
from streams.schema.decisions.decision import Decision

CANDIDATES: Final = 20
"""Items of a prediction"""
ROUND_MS: Final = 3_600_000
"""From one slate of a user to the next"""
_CLICK_MS = 10_000  # after the impression, and for each place more
_PURCHASE_MS = 300_000
_TEMPERATURE = 0.05  # explores enough to estimate from
_EVENTS_PER_DECISION = 4


@dataclass(frozen=True, slots=True)
class SimulatedFeedback:
    """Decisions and events sorted by time, and all items."""

    decisions: list[Decision]
    logged: list[LoggedEvent]
    catalog: list[FileItem]

    def events(self) -> list[LoggedEvent]:
        """The events sorted by time."""
        return self.logged

    def items(self) -> list[FileItem]:
        """The items with titles and categories."""
        return self.catalog

    def write_decisions(self, out: Path) -> None:
        """Write the decisions as JSON lines, each a value of `interest-decisions`."""
        with out.open("wb") as file:
            for decision in self.decisions:
                file.write(msgspec.json.encode(decision) + b"\n")


def simulate_feedback(events: int, users: int, items: int, seed: int) -> SimulatedFeedback:
    """The first so many events of these users, and the decisions that they name."""
    rounds = events // (users * _EVENTS_PER_DECISION) + 2
    parameters = replace(
        SCENARIOS["all"],
        users=users,
        items=items,
        rounds=rounds,
        change_round=rounds // 2,
        new_item_prediction=(1.0,),  # else none of them would be among the most interesting
    )
    world, random = World(parameters, seed), np.random.default_rng([seed, 7])
    model = RewardModelSettings(feature_count(parameters.categories), examination=parameters.examination)
    policy = Softmax(model, SoftmaxOptions(_TEMPERATURE))
    decisions: list[Decision] = []
    logged: list[LoggedEvent] = []
    for number in range(rounds):
        batch, offered = _most_interesting(world.candidates())
        slates = policy.act_batch(batch, len(parameters.examination), random)
        rows, chosen = np.arange(users)[:, None], slates.chosen
        in_offered = np.where(chosen == NO_ITEM, NO_ITEM, offered[rows, chosen])
        feedback = world.respond(SlateBatch(in_offered, slates.propensities))
        made = list(_decisions(f"simulated:{seed}:{number}", number, batch, slates))
        decisions += made
        logged += _events(made, feedback)
    logged.sort(key=lambda event: (event.time_ms, event.event_id))
    kept = logged[:events]
    named = {event.extra_fields["decision_id"] for event in kept if event.extra_fields}
    names = list(TOPICS)
    all_items = [
        FileItem(item_name(index), f"{names[category]} {index}", (names[category],))
        for index, category in enumerate(world.catalog.category.tolist())
    ]
    return SimulatedFeedback([decision for decision in decisions if decision.decision_id in named], kept, all_items)


def _most_interesting(batch: CandidateBatch) -> tuple[CandidateBatch, IntArray]:
    """The users' CANDIDATES items of the highest interest, the highest first, and their positions among all."""
    positions = np.argsort(-batch.interest, axis=1, kind="stable")[:, :CANDIDATES]
    features = np.take_along_axis(batch.features, positions[..., None], 1)
    assert batch.category is not None
    items, category = (np.take_along_axis(numbers, positions, 1) for numbers in (batch.items, batch.category))
    interest = np.take_along_axis(batch.interest, positions, 1)
    return CandidateBatch(items, interest, features, batch.context, category), positions


def _decisions(prefix: str, number: int, batch: CandidateBatch, slates: SlateBatch) -> Iterator[Decision]:
    users, candidates = batch.items.shape
    topics = list(TOPICS)
    assert batch.category is not None
    for user in range(users):
        chosen = slates.chosen[user]
        chosen = chosen[chosen >= 0]
        others = np.setdiff1d(np.arange(candidates), chosen)
        interest = batch.interest[user].tolist()
        names = [topics[category] for category in batch.category[user].tolist()]
        by_name: dict[str, float] = {}
        for name, p in zip(names, interest, strict=True):
            by_name[name] = by_name.get(name, 0.0) + p / sum(interest)
        exposures = batch.features[user, :, -1].tolist()
        features = [
            item_features(p, by_name[name], True, exposure)
            for p, name, exposure in zip(interest, names, exposures, strict=True)
        ]
        yield Decision(
            decision_id=f"{prefix}:{user}",
            user_id=user_name(user),
            time=START_MS + number * ROUND_MS + user * ROUND_MS // (2 * users),
            slate=tuple(item_name(item) for item in batch.items[user, chosen].tolist()),
            propensities=tuple(slates.propensities[user, : len(chosen)].tolist()),
            policy=Softmax.name,
            policy_version=0,
            candidates=candidates,
            interest=tuple(interest[position] for position in chosen),
            features=tuple(features[position] for position in chosen),
            context=user_context(list(by_name), list(by_name.values())),
            other_items=tuple(item_name(item) for item in batch.items[user, others].tolist()),
            other_interest=tuple(interest[position] for position in others),
            other_features=tuple(features[position] for position in others),
        )


def _events(decisions: list[Decision], feedback: Feedback) -> Iterator[LoggedEvent]:
    for row, decision in enumerate(decisions):
        for place, item_id in enumerate(decision.slate):
            yield _event(decision, "impression", place, item_id, decision.time)
            if not feedback.clicked[row, place]:
                continue
            clicked = decision.time + (place + 1) * _CLICK_MS
            yield _event(decision, "click", place, item_id, clicked)
            delay = int(feedback.purchase_delay[row, place])
            if delay >= 0:
                yield _event(decision, "purchase", place, item_id, clicked + _PURCHASE_MS + delay * ROUND_MS)


def _event(decision: Decision, event_type: str, place: int, item_id: str, time_ms: int) -> LoggedEvent:
    return LoggedEvent(
        decision.user_id,
        item_id,
        time_ms,
        event_type,
        f"{decision.decision_id}:{place}:{event_type}",
        extra_fields={"decision_id": decision.decision_id},
    )
