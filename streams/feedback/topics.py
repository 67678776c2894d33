"""The topics of the process of policies: created where missing, and their ids, by which offsets count."""

from __future__ import annotations

from typing import Final

from streams.errors import SourceTopicError, TopicError
from streams.kafka.client.access import Right
from streams.kafka.client.metadata import TopicMetadataClient
from streams.settings.sections import FEEDBACK_SUFFIX, POLICY_SUFFIX
from streams.settings.settings import Settings

WATCH_S: Final = 5.0


def policy_group(settings: Settings) -> str:
    """Consumer group of the policy processes."""
    return settings.kafka.group_id + POLICY_SUFFIX


def feedback_changelog(settings: Settings) -> str:
    """Topic of the decisions that wait for feedback."""
    return settings.kafka.group_id + FEEDBACK_SUFFIX


def policy_topics(settings: Settings) -> list[str]:
    """The topics that this process reads or writes."""
    topics = settings.topics
    others = [topics.interest_rewards, topics.policy_states, topics.interest_experiments, feedback_changelog(settings)]
    return [*read_topics(settings), *others]


def read_topics(settings: Settings) -> list[str]:
    """Those whose offsets are kept: by user, of one number of partitions."""
    topics = settings.topics
    return [topics.user_events, topics.interest_decisions, topics.decision_requests, topics.interest_predictions]


def policy_rights(settings: Settings) -> list[Right]:
    """What the process needs, beside Describe and DescribeConfigs of its topics."""
    topics, group_id = settings.topics, settings.kafka.group_id
    changelog = feedback_changelog(settings)
    read = [*read_topics(settings), topics.interest_rewards, topics.policy_states, topics.item_catalog, changelog]
    read.append(topics.interest_experiments)
    written = [topics.interest_decisions, topics.interest_rewards, topics.policy_states, topics.user_events_dlq]
    written.append(topics.interest_experiments)  # where a guardrail stops an arm
    return [
        *(Right("topic", name, "Read") for name in read),
        *(Right("topic", name, "Write") for name in [*written, changelog]),
        Right("group", policy_group(settings), "Read"),
        Right("transactional-id", f"{group_id}-", "Write"),
    ]


class PolicyTopicIds:
    """Ids of the topics. `refresh` may be called at any time after `start`."""

    def __init__(self, settings: Settings) -> None:
        self._names = policy_topics(settings)
        self._client = TopicMetadataClient(settings.kafka)
        self._ids: dict[str, str] = {}
        self._first: dict[str, str] = {}

    async def start(self) -> None:
        """Raises TopicError where a topic is missing."""
        self._first = await self.refresh()

    async def stop(self) -> None:
        """Closes the connection."""
        await self._client.stop()

    def topic_id(self, topic: str) -> str:
        """The id that it had when it was last asked for."""
        return self._ids[topic]

    async def refresh(self) -> dict[str, str]:
        """The ids of all now. Raises TopicError, KafkaError."""
        described = await self._client.describe(self._names)
        if missing := [name for name in self._names if name not in described]:
            raise TopicError(f"{missing[0]} does not exist; `interest-stream topics` creates what is missing")
        self._ids = {name: described[name].topic_id for name in self._names}
        return dict(self._ids)

    async def check(self) -> None:
        """Raises SourceTopicError where a topic is not any more the one that it was at the start."""
        for name, topic_id in (await self.refresh()).items():
            if topic_id != self._first[name]:
                raise SourceTopicError(f"{name} was deleted and created again: start this command again")
