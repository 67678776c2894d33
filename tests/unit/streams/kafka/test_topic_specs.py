import pytest

from streams.kafka.topic_specs import CHANGELOG_DELETE_RETENTION_MS, TopicSpec, every_topic_spec
from streams.settings.sections import KafkaSettings, TopicSettings
from streams.settings.settings import Settings


def specs(settings: Settings) -> dict[str, TopicSpec]:
    return {spec.name: spec for spec in every_topic_spec(settings)}


def test_every_topic_of_the_settings_has_a_spec_of_its_name() -> None:
    settings = Settings(
        kafka=KafkaSettings(group_id="g"),
        topics=TopicSettings(
            "events",
            "predictions",
            "dlq",
            "index",
            "catalog",
            "quality",
            "releases",
            "requests",
            "decisions",
            "rewards",
            "states",
            "experiments",
            "churn",
            "segments",
            partitions=5,
        ),
    )
    assert {name: (spec.partitions, spec.verify_partitions) for name, spec in specs(settings).items()} == {
        "events": (5, True),
        "predictions": (5, True),
        "dlq": (5, True),
        "g-user-state-changelog": (5, True),
        "index": (1, True),
        "catalog": (1, False),
        "quality": (1, False),
        "releases": (1, False),
        "requests": (5, True),
        "decisions": (5, True),
        "rewards": (5, True),
        "g-feedback-changelog": (5, True),
        "states": (1, False),
        "experiments": (1, False),
        "churn": (5, True),
        "segments": (1, False),
    }


@pytest.mark.parametrize(("copies", "in_sync"), [(1, 1), (2, 1), (3, 2), (5, 3)])
def test_an_acknowledged_record_is_on_a_majority_of_the_replicas(copies: int, in_sync: int) -> None:
    for spec in every_topic_spec(Settings(topics=TopicSettings(replication=copies))):
        assert spec.replication == copies
        assert spec.configs["min.insync.replicas"] == str(in_sync)


def test_a_batch_with_the_largest_record_fits_every_topic_that_is_created() -> None:
    largest = 10 << 20
    for name, spec in specs(Settings(kafka=KafkaSettings(max_record_bytes=largest))).items():
        if name not in ("item-index", "item-catalog", "interest-quality"):
            assert int(spec.configs["max.message.bytes"]) > largest


def test_kafka_s_default_batch_limit_is_enough_for_default_settings() -> None:
    for spec in every_topic_spec(Settings()):
        assert spec.at_least.get("max.message.bytes", 0) <= 1_048_588


def test_the_item_index_is_never_truncated_or_compacted() -> None:
    index = specs(Settings())["item-index"]
    assert index.exact == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def test_the_changelog_keeps_deletions_as_long_as_workers_rely_on() -> None:
    changelog = specs(Settings())["interest-user-state-changelog"]
    assert changelog.at_least["delete.retention.ms"] == CHANGELOG_DELETE_RETENTION_MS
    assert changelog.exact == {"cleanup.policy": "compact"}
