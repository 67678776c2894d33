"""The errors of `streams`, each with what an operator does.

StreamError
├── SettingsError      correct the setting that each line names and start again
├── Rejected           nothing: the record lies in the dead-letter topic with this code and message, the stream went on
├── TopicError         create or repair the topic as the message says
├── KafkaAccessError   correct the setting of the connection, or grant the right, that the message names
├── KafkaVersionError  upgrade the brokers to the version that the message names
├── RegistryError      start the schema registry, or correct the setting that the message names
├── LogError           mend the file at the line that the message names, or leave bad lines out (streams.files)
├── UnknownUserError   nothing, or look for the user's events in user-events (streams.terminal.user)
├── WorkerEndedError   read the end of the worker's log, which the message holds (streams.worker.process.launcher)
├── ChangelogError     decide whether the changelog was meant to go, as the message says; the worker stops until then
├── SourceTopicError   decide whether the input topic was meant to go, as the message says; the worker stops until then
├── ReleaseError       decide what becomes of the releases' topic, as the message says; no model is trained until then
├── TrainerFencedError nothing: another trainer has taken over; start this one again to have it stand by
├── ExperimentError    correct the experiment as the message says, or name one that is there
├── GroupActiveError   stop the group's workers, then try again
├── ReplayFencedError  nothing: another `dlq replay` was started later, and sends what is left
├── MonitoringError    set the port, or the address, that the message names
├── StepTimeoutError   start the worker again; look at machine and disk if it repeats
├── TransactionFailed  nothing: the worker starts over from the changelog; look at the broker if it goes on
├── StaleMembership    nothing: another worker has taken over, this one waits for its next assignment
└── KafkaStartError    install what the message names, or read the log that it names
"""

from collections.abc import Sequence
from typing import Literal

RejectionCode = Literal[
    "null_value",
    "record_too_large",
    "not_utf8",
    "not_json",
    "nesting_too_deep",
    "not_an_object",
    "unknown_schema_version",
    "missing_field",
    "empty_field",
    "wrong_type",
    "unknown_erasure",
    "wrong_format",
    "out_of_range",
    "field_too_large",
    "bad_timestamp",
    "conflicting_fields",
    "reserved_id",
    "missing_key",
    "key_mismatch",
    "undecodable_record",
    "corrupt_batch",
    "unknown_codec",
    "unknown_schema_id",
    "unusable_schema",
    "schema_mismatch",
]


class StreamError(Exception):
    """Every error that `streams` raises on purpose."""


class SettingsError(StreamError):
    """One line per fault, each with key, source and what is allowed."""

    def __init__(self, faults: Sequence[str]):
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class Rejected(StreamError):  # noqa: N818 - an outcome of decoding, expected every day
    """A record that can't be used: a stable code for counting, a message for whoever wrote the record."""

    def __init__(self, code: RejectionCode, message: str):
        super().__init__(f"{code}: {message}")
        self.code: RejectionCode = code
        self.message = message
        self.events: tuple[int, ...] = ()
        """Of a record of several events: the indices of those that cannot be used"""


class TopicError(StreamError):
    """A topic is missing, or its partitions or cleanup policy differ from the settings."""


class KafkaAccessError(StreamError):
    """The broker refuses this client: its listener, its certificate or user, or a right that is not granted."""


class KafkaVersionError(StreamError):
    """The broker is older than the oldest that this program works with."""


class RegistryError(StreamError):
    """The schema registry does not answer, refuses this client, or refuses a schema."""


class KafkaStartError(StreamError):
    """The local Kafka did not come up."""


class ChangelogError(StreamError):
    """The changelog is not the one that the local rows were read from."""


class SourceTopicError(StreamError):
    """The input topic is not the one whose offsets are remembered: it was recreated, rolled back or does not answer."""


class ReleaseError(StreamError):
    """The topic of releases holds no model that training could go on from."""


class StoreError(StreamError):
    """The place of the checkpoints cannot be reached, or not be written to."""


class ExperimentError(StreamError):
    """An experiment that cannot be as it is described, or that is not there."""


class TrainerFencedError(StreamError):
    """Another trainer of the same group has taken over."""


class GroupActiveError(StreamError):
    """The consumer group has members, whose offsets nobody else may change."""


class ReplayFencedError(StreamError):
    """Another replay of the same group's dead letters was started after this one."""


class MonitoringError(StreamError):
    """Metrics cannot be served at the address and port of the settings."""


class StepTimeoutError(StreamError):
    """A step has not returned within worker.step_timeout_s."""


class TransactionFailed(StreamError):  # noqa: N818 - an outcome that the worker recovers from
    """A step's transaction did not, or not provably, commit."""


class StaleMembership(StreamError):  # noqa: N818 - likewise
    """The consumer group has moved on without this worker."""
