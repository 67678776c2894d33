from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ItemCapacityError
from state.errors import FolderInUseError
from streams.cli.command_group import explain, settings_first
from streams.errors import TopicError
from streams.settings.source import CommandLine

OPTIONS = [["--set", "a.b=c"], ["--set=a.b=c"], ["--recipe", "fusion"], ["--recipe=fusion"], ["--config", "c"]]
WORDS = st.text("ab-=", min_size=1, max_size=4).filter(lambda word: not word.startswith("--"))


@given(st.lists(WORDS, max_size=6), st.integers(0, 6), st.sampled_from(OPTIONS))
def test_a_settings_option_moves_to_the_front_from_any_place(
    words: list[str], position: int, option: list[str]
) -> None:
    assert settings_first([*words[:position], *option, *words[position:]]) == [*option, *words]


def test_what_follows_two_dashes_stays() -> None:
    assert settings_first(["replay", "--config", "c", "--", "--set"]) == ["--config", "c", "replay", "--", "--set"]


def test_an_option_without_its_value_is_left_to_complain() -> None:
    assert settings_first(["worker", "--set"]) == ["--set", "worker"]


@pytest.mark.parametrize(
    "error", [TopicError("make it"), ItemCapacityError(5, "i9"), FolderInUseError("taken by 7")], ids=type
)
def test_errors_of_every_package_speak_for_themselves(error: Exception) -> None:
    assert explain(error, None) == str(error)


def test_a_missing_broker_is_named_with_what_to_do() -> None:
    line = CommandLine(overrides=["kafka.bootstrap_servers=127.0.0.1:1"])
    line.settings()
    message = explain(KafkaConnectionError("Unable to bootstrap from [(…)]"), line)
    assert message is not None
    assert message.startswith("no broker answers at 127.0.0.1:1: start one (`interest-stream kafka start`)")


def test_other_errors_of_kafka_keep_their_words() -> None:
    assert "UnknownTopicOrPartitionError" in str(explain(UnknownTopicOrPartitionError(), None))


def test_a_file_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        Path("/nowhere/at/all").write_text("")
    assert explain(caught.value, None) == "/nowhere/at/all: No such file or directory"


def test_a_bug_is_not_explained_away() -> None:
    assert explain(KeyError("x"), None) is None
    assert explain(OSError("no name"), None) is None
