"""The errors of `streams`, each with what an operator does.

StreamError
├── SettingsError   correct the setting that each line names and start again
├── Rejected        nothing: the record lies in the dead-letter topic with this code and message, the stream went on
├── TopicError      create or repair the topic as the message says
└── KafkaStartError install what the message names, or read the log that it names
"""

from collections.abc import Sequence


class StreamError(Exception):
    """Every error that `streams` raises on purpose."""


class SettingsError(StreamError):
    """One line per fault, each with key, source and what is allowed."""

    def __init__(self, faults: Sequence[str]):
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class Rejected(StreamError):  # noqa: N818 - an outcome of decoding, expected every day
    """A record that can't be used: a stable code for counting, a message for whoever wrote the record."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class TopicError(StreamError):
    """A topic is missing, or its partitions or cleanup policy differ from the settings."""


class KafkaStartError(StreamError):
    """The local Kafka did not come up."""
