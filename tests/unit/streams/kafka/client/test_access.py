from streams.kafka.client.access import trainer_rights
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings


def test_a_trainer_reads_rows_and_items_and_writes_releases_and_the_index_alone() -> None:
    assert [tuple(right) for right in trainer_rights(Settings(kafka=KafkaSettings(group_id="g")))] == [
        ("topic", "g-user-state-changelog", "Read"),
        ("topic", "item-index", "Read"),
        ("topic", "item-catalog", "Read"),
        ("topic", "item-index", "Write"),
        ("topic", "model-releases", "Read"),
        ("topic", "model-releases", "Write"),
        ("group", "g-trainer", "Read"),
        ("transactional-id", "g-", "Write"),
    ]
