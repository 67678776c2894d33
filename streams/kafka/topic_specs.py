"""Specifications of the application's topics: partitions and configs."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.settings.sections import FEEDBACK_SUFFIX
from streams.settings.settings import Settings

_DAY_MS = 86_400_000
# A worker whose rows are older than this drops them and restores all. So long a deleted user's key stays in the log.
CHANGELOG_DELETE_RETENTION_MS = 7 * _DAY_MS
# A batch holds framing, key and headers beside its largest value.
_BATCH_OVERHEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """Partitions and configs of a topic. `exact` and `at_least` are verified, `initial` may be changed later."""

    name: str
    setting: str  # that names the topic
    partitions: int
    verify_partitions: bool  # whether the number of partitions is verified
    replication: int
    exact: Mapping[str, str]
    at_least: Mapping[str, int]
    initial: Mapping[str, str]

    @property
    def configs(self) -> dict[str, str]:
        """The configs that the topic is created with."""
        return {**self.exact, **{name: str(least) for name, least in self.at_least.items()}, **self.initial}


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The specifications of the topics of workers and trainers."""
    return _worker_topic_specs(settings) + (churn_topic_specs(settings) if settings.churn.enabled else ())


def churn_topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The specification of the topic of warnings, which workers with `churn.enabled` write and read."""
    topics = settings.topics
    # A worker that takes a partition over reads all of its warnings.
    record_bytes = settings.kafka.max_record_bytes
    compacted = {"max.compaction.lag.ms": str(_DAY_MS), "segment.bytes": str(64 << 20)}
    compacted["max.message.bytes"] = str(record_bytes + _BATCH_OVERHEAD_BYTES)
    exact = {"cleanup.policy": "compact"}
    at_least = {"min.insync.replicas": (topics.replication + 1) // 2, "max.message.bytes": record_bytes}
    return (
        TopicSpec(
            topics.interest_churn,
            "topics.interest_churn",
            topics.partitions,
            True,
            topics.replication,
            exact,
            at_least,
            compacted,
        ),
    )


def segment_topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The specification of the topic of segments, which the HTTP server writes where it is told to."""
    topics, record_bytes = settings.topics, settings.kafka.max_record_bytes
    in_sync = {"min.insync.replicas": (topics.replication + 1) // 2}
    initial = {"max.compaction.lag.ms": str(_DAY_MS), "max.message.bytes": str(record_bytes + _BATCH_OVERHEAD_BYTES)}
    name, compact = topics.interest_segments, {"cleanup.policy": "compact"}
    return (TopicSpec(name, "topics.interest_segments", 1, False, topics.replication, compact, in_sync, initial),)


def _worker_topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    topics, record_bytes = settings.topics, settings.kafka.max_record_bytes
    # A majority: acknowledged records survive the loss of any one broker, and one of three may be down.
    in_sync = (topics.replication + 1) // 2
    in_sync_replicas = {"min.insync.replicas": in_sync}
    output = {**in_sync_replicas, "max.message.bytes": record_bytes}
    with_framing = {"max.message.bytes": str(record_bytes + _BATCH_OVERHEAD_BYTES)}
    # Compacted within a day even where little is written: deleted users and items are gone then, but for their keys.
    compacted = {"max.compaction.lag.ms": str(_DAY_MS)}
    events = {
        **with_framing,
        "min.insync.replicas": str(in_sync),
        "retention.ms": str(7 * _DAY_MS),
        # By arrival: old events replayed, or a producer with a wrong clock, are kept for as long as others.
        "message.timestamp.type": "LogAppendTime",
    }
    changelog = {
        **with_framing,
        **compacted,
        # A restore reads what is not compacted yet: 64 MiB are 32 000 rows, a few seconds. Every step rewrites rows, so
        # Kafka's default (clean when half of the log is dirty) would double the restore, and less than a fifth would
        # keep the broker rewriting.
        "segment.bytes": str(64 << 20),
        # A trainer learns from every row that is written, also from those that newer ones replace: it may be away for
        # as long.
        "min.compaction.lag.ms": str(10 * 60_000),
        "min.cleanable.dirty.ratio": "0.2",
    }
    catalog = {**compacted, "min.insync.replicas": str(in_sync)}
    # Each start of a worker has its own key: records of workers that are gone are deleted by age.
    quality = {**catalog, "retention.ms": str(7 * _DAY_MS)}
    # A release rewrites keys every second: small segments are compacted soon, so that a new reader reads little twice.
    releases = {**with_framing, **compacted, "segment.bytes": str(16 << 20)}
    predictions = {**with_framing, **compacted, "retention.ms": str(7 * _DAY_MS)}
    dead_letters = {**with_framing, "retention.ms": str(30 * _DAY_MS)}
    kept_for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    retained = {**output, "delete.retention.ms": CHANGELOG_DELETE_RETENTION_MS}
    delete, compact, both = ({"cleanup.policy": policy} for policy in ("delete", "compact", "compact,delete"))
    count, copies = topics.partitions, topics.replication
    return (
        TopicSpec(topics.user_events, "topics.user_events", count, True, copies, delete, {}, events),
        TopicSpec(
            topics.interest_predictions, "topics.interest_predictions", count, True, copies, both, output, predictions
        ),
        TopicSpec(topics.user_events_dlq, "topics.user_events_dlq", count, True, copies, delete, output, dead_letters),
        TopicSpec(settings.changelog_topic, "kafka.group_id", count, True, copies, compact, retained, changelog),
        TopicSpec(topics.item_index, "topics.item_index", 1, True, copies, kept_for_ever, in_sync_replicas, {}),
        TopicSpec(topics.item_catalog, "topics.item_catalog", 1, False, copies, compact, {}, catalog),
        TopicSpec(topics.interest_quality, "topics.interest_quality", 1, False, copies, both, {}, quality),
        # Only partition 0 is written and read: a release is complete when its last record is read.
        TopicSpec(topics.model_releases, "topics.model_releases", 1, False, copies, compact, output, releases),
    )


def policy_topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The specifications of the topics of decisions, which only policies and who asks them use."""
    topics, record_bytes = settings.topics, settings.kafka.max_record_bytes
    in_sync = {"min.insync.replicas": (topics.replication + 1) // 2}
    output = {**in_sync, "max.message.bytes": record_bytes}
    with_framing = {"max.message.bytes": str(record_bytes + _BATCH_OVERHEAD_BYTES)}
    delete, compact = {"cleanup.policy": "delete"}, {"cleanup.policy": "compact"}
    requests = {**with_framing, "min.insync.replicas": str(in_sync["min.insync.replicas"])}
    requests["retention.ms"] = str(_DAY_MS)
    # What policies are evaluated by offline: a month of them.
    log = {**with_framing, "retention.ms": str(30 * _DAY_MS)}
    compacted = {**with_framing, "max.compaction.lag.ms": str(_DAY_MS), "segment.bytes": str(16 << 20)}
    retained = {**output, "delete.retention.ms": CHANGELOG_DELETE_RETENTION_MS}
    count, copies = topics.partitions, topics.replication
    return (
        TopicSpec(topics.decision_requests, "topics.decision_requests", count, True, copies, delete, {}, requests),
        TopicSpec(topics.interest_decisions, "topics.interest_decisions", count, True, copies, delete, output, log),
        TopicSpec(topics.interest_rewards, "topics.interest_rewards", count, True, copies, delete, output, log),
        TopicSpec(
            settings.kafka.group_id + FEEDBACK_SUFFIX,
            "kafka.group_id",
            count,
            True,
            copies,
            compact,
            retained,
            compacted,
        ),
        # Only partition 0 is written and read.
        TopicSpec(topics.policy_states, "topics.policy_states", 1, False, copies, compact, output, compacted),
        TopicSpec(
            topics.interest_experiments, "topics.interest_experiments", 1, False, copies, compact, output, compacted
        ),
    )


def every_topic_spec(settings: Settings) -> tuple[TopicSpec, ...]:
    """Those of workers, then those of policies."""
    return (
        _worker_topic_specs(settings)
        + churn_topic_specs(settings)
        + segment_topic_specs(settings)
        + policy_topic_specs(settings)
    )
