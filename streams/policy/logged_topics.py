"""Decisions and rewards as their topics keep them, joined by decision; and the policies as they were published last."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from streams.errors import ExperimentError, Rejected
from streams.kafka.reader import read_topic
from streams.policy.known_policies import KnownPolicies
from streams.policy.off_policy import LoggedDecisions, is_complete, logged_decisions
from streams.registry.connection import connect_registry
from streams.schema.decisions.decision import Decision, decode_decision
from streams.schema.decisions.reward import Reward, decode_reward
from streams.schema.decoder import decode_item
from streams.schema.events import ItemUpsert
from streams.settings.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Logged:
    """What estimates are made from."""

    decisions: LoggedDecisions
    left_out: int
    """Decisions with a reward whose candidates are not all logged, or are by other features"""
    policies: KnownPolicies


async def read_logged(settings: Settings, most: int, by: str | None = None) -> Logged:
    """The newest decisions, `most` at most, that have a reward; only those of the policy `by`, where it is given.

    Raises ExperimentError where there is none to estimate by; TopicError, KafkaError.
    """
    kafka, topics = settings.kafka, settings.topics
    policies = KnownPolicies(settings.policy)
    async for record in read_topic(kafka, topics.policy_states):
        policies.put(record.key, record.value)
    rewards: OrderedDict[str, Reward] = OrderedDict()
    async for record in read_topic(kafka, topics.interest_rewards):
        try:
            reward = decode_reward(record.value or b"")
        except msgspec.MsgspecError as error:
            log.debug("%s %d is passed over: %s", record.topic, record.offset, error)
            continue
        if by is None or reward.policy == by:
            rewards[reward.decision_id] = reward
    newest = dict(sorted(rewards.items(), key=lambda entry: entry[1].time)[-most:])
    pairs: list[tuple[Decision, Reward]] = []
    left_out = 0
    async for record in read_topic(kafka, topics.interest_decisions):
        try:
            decision = decode_decision(record.value or b"")
        except msgspec.MsgspecError as error:
            log.debug("%s %d is passed over: %s", record.topic, record.offset, error)
            continue
        reward_of = newest.pop(decision.decision_id, None)
        if reward_of is None:
            continue
        if is_complete(decision, reward_of):
            pairs.append((decision, reward_of))
        else:
            left_out += 1
    if not pairs and left_out:
        raise ExperimentError(
            f"{left_out:,} decisions have a reward, but their candidates are not all logged (policy.log_candidates) or "
            "are by other features, those of an earlier version or another program: decide anew"
        )
    if not pairs and by is not None:
        raise ExperimentError(
            f"{topics.interest_rewards} holds no reward of a decision by {by!r} whose candidates are logged: name "
            "another policy with --by, or leave it out"
        )
    if not pairs:
        raise ExperimentError(
            f"{topics.interest_rewards} holds no reward of a decision whose candidates are logged: let `policy` and "
            "`web` decide, and policy.log_candidates be as large as a decision has candidates"
        )
    categories = await _categories(settings)
    return Logged(logged_decisions(pairs, settings.policy.item_buckets, categories), left_out, policies)


async def _categories(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Of each item, as the catalog has them now."""
    transcoder = await connect_registry(settings.registry)
    categories: dict[str, tuple[str, ...]] = {}
    async for record in read_topic(settings.kafka, settings.topics.item_catalog):
        if transcoder is not None:
            await transcoder.load([record])
        try:
            item = decode_item(record, transcoder=transcoder)
        except Rejected:
            continue  # workers have put it into the dead letters
        categories[item.item_id] = item.categories if isinstance(item, ItemUpsert) else ()
    return categories
