from streams.kafka.client.access import trainer_rights
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings


def test_a_trainer_reads_the_changelog_and_writes_releases_alone() -> None:
    assert [tuple(right) for right in trainer_rights(Settings(kafka=KafkaSettings(group_id="g")))] == [
        ("topic", "g-user-state-changelog", "Read"),
        ("topic", "model-releases", "Read"),
        ("topic", "model-releases", "Write"),
        ("group", "g-trainer", "Read"),
        ("transactional-id", "g-", "Write"),
    ]
