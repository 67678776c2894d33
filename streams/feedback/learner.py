"""What the one process that learns has in memory: each policy's next state, and the rewards that are in it.

States and the offsets of their rewards are committed in one transaction: each reward is learnt once, whoever learns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from models.errors import PolicyError
from models.policy.guard import InfluenceGuard
from models.policy.policy import Policy
from models.policy.saved_arrays import dump_policy, load_policy
from streams.kafka.group_consumer import Fetched
from streams.kafka.transaction import ProducerRecord
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import GUARD, new_policy, restored_policy
from streams.policy.outcomes import is_usable, outcomes_of, with_places
from streams.schema.decisions.reward import Reward, decode_reward
from streams.settings.policy_section import PolicySettings

log = logging.getLogger(__name__)

_DEEP_Q: Final = "dqn"


def _learning(policy: Policy) -> Policy:
    """The policy, which acts, as one that learns."""
    if policy.name != _DEEP_Q:
        return policy
    from models.policy.deep_q.learner import learner_from  # torch takes seconds, and 200 MB

    return learner_from(policy.state())


def _guard(state: bytes | None) -> InfluenceGuard:
    """With the counts of this state, by the settings as they are now; new where there is none that fits."""
    guard = InfluenceGuard()
    if state is None:
        return guard
    try:
        _, _, settings, counts = load_policy(state)
        if settings != asdict(guard.settings):
            raise ValueError("it has other settings")
        guard.restore(counts)
    except (PolicyError, KeyError, IndexError, ValueError, TypeError) as error:
        log.warning("the guard begins anew: %s", error)
    return guard


class Learner:
    """Made anew from the published states, of policies and guard, at each assignment and after each failure."""

    def __init__(
        self,
        settings: PolicySettings,
        states: Mapping[str, bytes],
        decides: Callable[[str, str], bool] = lambda experiment, arm: True,
        catalog: Mapping[str, DescribedItem] | None = None,
    ) -> None:
        """`decides`: whether decisions of this experiment and arm are by the predictions of this process's recipe.

        `catalog` is followed; a deep Q-network plans by the categories of items in it.
        """
        self._settings = settings
        self._decides = decides
        self._catalog = catalog
        self._policies: dict[str, Policy] = {
            name: _learning(
                restored_policy(name, settings, states[name]) if name in states else new_policy(name, settings)
            )
            for name in settings.names
        }
        self._guard = _guard(states.get(GUARD)) if settings.guard else None
        self._next: dict[TopicPartition, int] = {}
        self._is_changed = any(name not in states for name in settings.names)
        self._published_s = float("-inf")
        self.learnt = 0
        """Rewards since it was made"""
        self.unusable = 0
        """Rewards of them that policies of these features cannot learn from"""
        self.left_out = 0
        """Places that the guard took out of learning"""

    def learn(self, fetched: Fetched) -> None:
        """Learns the records of `interest-rewards`. Pure computing, fit for a thread."""
        records = [record for part in fetched.values() for record in part]
        records.sort(key=lambda record: record.timestamp)
        rewards = self._usable(records)
        if rewards:
            outcomes = outcomes_of(rewards, self._settings.item_buckets, self._catalog)
            if self._guard is not None:
                outcomes = self._guard.weighted(outcomes)
                self.left_out = self._guard.left_out
            for name, policy in self._policies.items():
                # The replay buffer of a deep Q-network has slates of one width.
                policy.learn(with_places(outcomes, self._settings.dqn_places) if name == _DEEP_Q else outcomes)
        self._next.update({tp: part[-1].offset + 1 for tp, part in fetched.items() if part})
        self._is_changed |= bool(records)

    def publication(self) -> tuple[list[ProducerRecord], dict[TopicPartition, int]] | None:
        """States, and the offsets after the rewards in them, where it is time and there is something new."""
        if not self._is_changed or time.monotonic() - self._published_s < self._settings.publish_interval_s:
            return None
        states = [ProducerRecord(name.encode(), policy.state()) for name, policy in self._policies.items()]
        if self._guard is not None:
            counts = dump_policy(GUARD, 0, asdict(self._guard.settings), self._guard.arrays())
            states.append(ProducerRecord(GUARD.encode(), counts))
        return states, dict(self._next)

    def published(self) -> None:
        """The publication is committed."""
        self._published_s, self._is_changed = time.monotonic(), False

    def _usable(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> list[Reward]:
        rewards = []
        for record in records:
            try:
                reward = decode_reward(record.value or b"")
            except msgspec.MsgspecError as error:
                log.warning("%s:%d:%d is no reward: %s", record.topic, record.partition, record.offset, error)
                self.unusable += 1
                continue
            if not self._decides(reward.experiment, reward.arm):
                continue  # interest is of another model, and what is learnt from it is no use here
            if is_usable(reward):
                rewards.append(reward)
            else:
                self.unusable += 1
        self.learnt += len(rewards)
        return rewards
