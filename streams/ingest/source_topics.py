"""The topics that are read and written: whether they are there, and whether they stay what they were at the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka.structs import TopicPartition

from streams.errors import SettingsError, SourceTopicError, TopicError
from streams.kafka.client.access import Right, check_access
from streams.kafka.client.metadata import TopicMetadata, TopicMetadataClient
from streams.settings.settings import Settings

GROUP_SUFFIX: Final = "-ingest"


def ingest_group(settings: Settings) -> str:
    """The consumer group of all processes that ingest for a group of workers."""
    return settings.kafka.group_id + GROUP_SUFFIX


def ingest_rights(settings: Settings, sources: Sequence[str]) -> list[Right]:
    """What ingesting these topics needs."""
    return [
        *(Right("topic", source, "Read") for source in sources),
        Right("topic", settings.topics.user_events, "Write"),
        Right("topic", settings.topics.user_events_dlq, "Write"),
        Right("group", ingest_group(settings), "Read"),
        Right("transactional-id", f"{settings.kafka.group_id}-", "Write"),
    ]


class SourceTopics:
    """Ids and partitions of the topics. `check` may be called at any time after `start`."""

    def __init__(self, settings: Settings, sources: Sequence[str]) -> None:
        """Raises SettingsError for a topic of this system's own: its records would go round in a circle."""
        topics = settings.topics
        topics_of_worker = {
            topics.user_events: "it is what ingest writes",
            topics.user_events_dlq: "`interest-stream dlq replay` sends its records again",
            topics.interest_predictions: "it holds predictions",
            topics.item_index: "it holds the register of items",
            topics.item_catalog: "workers read it as it is",
            topics.interest_quality: "it holds the quality of workers",
            topics.interest_churn: "it holds warnings of silent users",
            topics.interest_segments: "it holds sizes of segments",
            topics.model_releases: "it holds releases of the model",
            settings.changelog_topic: "it holds user state",
            topics.decision_requests: "it holds requests for decisions",
            topics.interest_decisions: "it holds decisions",
            topics.interest_rewards: "it holds rewards of decisions",
            topics.policy_states: "it holds what policies have learnt",
            topics.interest_experiments: "it holds experiments",
        }
        if faults := [
            f"--from {source}: {topics_of_worker[source]}" for source in sources if source in topics_of_worker
        ]:
            raise SettingsError(faults)
        self.sources = list(dict.fromkeys(sources))
        self._settings = settings
        self._client = TopicMetadataClient(settings.kafka)
        self._topics: dict[str, TopicMetadata] = {}

    async def start(self) -> None:
        """Raises KafkaAccessError where a right is missing, TopicError where a topic is."""
        await check_access(self._settings.kafka, ingest_rights(self._settings, self.sources))
        topics = self._settings.topics
        self._topics = await self._client.describe([*self.sources, topics.user_events, topics.user_events_dlq])
        servers = self._settings.kafka.bootstrap_servers
        if missing := [source for source in self.sources if source not in self._topics]:
            raise TopicError(
                f"{', '.join(missing)} does not exist at {servers}: create it, or name another with --from"
            )
        if missing := [name for name in (topics.user_events, topics.user_events_dlq) if name not in self._topics]:
            raise TopicError(
                f"{', '.join(missing)} does not exist at {servers}; `interest-stream topics` creates what is missing"
            )
        if (partitions := self.partitions(topics.user_events)) != topics.partitions:
            raise TopicError(
                f"{topics.user_events} has {partitions} partitions, must have {topics.partitions}; "
                f"if {partitions} is right, --set topics.partitions={partitions}"
            )

    async def stop(self) -> None:
        """Closes the connection."""
        await self._client.stop()

    def partitions(self, topic: str) -> int:
        """How many partitions the topic had at the start."""
        return self._topics[topic].partitions

    def topic_id(self, topic: str) -> str:
        """The id that it had when it was last asked for."""
        return self._topics[topic].topic_id

    async def refresh(self) -> dict[str, str]:
        """The ids of the sources now, as partitions are about to be opened. Raises KafkaError, TopicError."""
        now = await self._client.describe(self.sources)
        for source in self.sources:
            self._topics[source] = _existing(now, source)
        return {source: self.topic_id(source) for source in self.sources}

    @property
    def source_partitions(self) -> list[TopicPartition]:
        """Every partition of the sources, as they were at the start."""
        return [TopicPartition(source, p) for source in self.sources for p in range(self.partitions(source))]

    async def check(self) -> None:
        """Raises SourceTopicError or TopicError where a topic is not any more the one that is read or written.

        A source may get partitions: the group assigns them. Raises KafkaError without a broker.
        """
        now = await self._client.describe(list(self._topics))
        for name, before in self._topics.items():
            topic = _existing(now, name)
            if topic.topic_id != before.topic_id:
                raise SourceTopicError(f"{name} was deleted and created again: start this command again")
            if name not in self.sources and topic.partitions != before.partitions:
                raise TopicError(
                    f"{name} has {topic.partitions} partitions now, not {before.partitions}: "
                    f"start this command again with --set topics.partitions={topic.partitions}, as the workers"
                )


def _existing(topics: Mapping[str, TopicMetadata], name: str) -> TopicMetadata:
    if name not in topics:
        raise TopicError(f"{name} was deleted: create it again, or leave it out")
    return topics[name]
