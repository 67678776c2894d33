import pytest

from streams.errors import SettingsError
from streams.ingest.source_positions import OffsetNote
from streams.ingest.source_topics import SourceTopics, ingest_rights
from streams.settings.settings import Settings


@pytest.mark.parametrize(
    "topic",
    [
        *("user-events", "user-events-dlq", "interest-predictions", "item-index", "item-catalog", "interest-quality"),
        "model-releases",
        "interest-user-state-changelog",
    ],
)
def test_topics_of_this_system_are_no_source(topic: str) -> None:
    with pytest.raises(SettingsError, match=f"--from {topic}: "):
        SourceTopics(Settings(), ["orders", topic])


def test_a_topic_that_is_named_twice_is_read_once() -> None:
    assert SourceTopics(Settings(), ["orders", "clicks", "orders"]).sources == ["orders", "clicks"]


def test_the_rights_are_those_of_the_readme() -> None:
    assert [tuple(right) for right in ingest_rights(Settings(), ["orders", "clicks"])] == [
        ("topic", "orders", "Read"),
        ("topic", "clicks", "Read"),
        ("topic", "user-events", "Write"),
        ("topic", "user-events-dlq", "Write"),
        ("group", "interest-ingest", "Read"),
        ("transactional-id", "interest-", "Write"),
    ]


def test_what_lies_beside_an_offset_is_read_back_and_that_of_other_tools_is_nothing() -> None:
    note = OffsetNote("interest-ingest-1", "abc")
    assert OffsetNote.decode(note.encode()) == note
    for text in ("", "sarama", "[]", '{"writer": 5}', "\ud800"):
        assert OffsetNote.decode(text) == OffsetNote("", "")
