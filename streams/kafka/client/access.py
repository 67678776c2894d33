"""What this client is allowed to do: the rights that a command needs, checked before anything waits for a denial.

aiokafka logs most denials and tries again; a right that is not granted stays so, whatever is tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from aiokafka import AIOKafkaClient
from aiokafka.client import CoordinationType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CorruptRecordException,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedCodecError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from streams.errors import KafkaAccessError, TopicError
from streams.kafka.client.client_options import client_options
from streams.kafka.client.connection import check_connection
from streams.kafka.client.metadata import OPERATIONS, describe_topics_by
from streams.os_errors import check_open_files
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings

_DENIALS: Final = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


class Right(NamedTuple):
    """An operation on a resource, as Kafka's access control lists have them.

    A transactional id is a prefix: every process has an id of its own, which begins with the group id.
    """

    resource: Literal["topic", "group", "transactional-id"]
    name: str
    operation: str


def worker_rights(settings: Settings) -> list[Right]:
    """What a worker needs, beside Describe and DescribeConfigs of its topics (streams.kafka.topics)."""
    topics = settings.topics
    read = (
        topics.user_events,
        settings.changelog_topic,
        topics.item_index,
        topics.item_catalog,
        topics.model_releases,
    )
    written = (
        topics.user_events,  # a user.delete is forwarded to the other partitions
        settings.changelog_topic,
        topics.interest_predictions,
        topics.user_events_dlq,
        topics.item_index,
        topics.item_catalog,
        topics.interest_quality,
    )
    both = (topics.interest_churn,) if settings.churn.enabled else ()
    rights = [
        *(Right("topic", name, "Read") for name in (*read, *both)),
        *(Right("topic", name, "Write") for name in (*written, *both)),
        Right("group", settings.kafka.group_id, "Read"),
        Right("transactional-id", f"{settings.kafka.group_id}-", "Write"),
    ]
    embedded = trainer_rights(settings) if settings.trainer.mode == "embedded" else []
    return list(dict.fromkeys(rights + embedded))


def trainer_rights(settings: Settings) -> list[Right]:
    """What a trainer needs, beside Describe and DescribeConfigs of the same topics (streams.kafka.topics)."""
    topics = settings.topics
    return [
        *(Right("topic", name, "Read") for name in (settings.changelog_topic, topics.item_index, topics.item_catalog)),
        Right("topic", topics.item_index, "Write"),  # items of a trained checkpoint are registered
        Right("topic", topics.model_releases, "Read"),
        Right("topic", topics.model_releases, "Write"),
        Right("group", settings.trainer_group, "Read"),
        Right("transactional-id", f"{settings.kafka.group_id}-", "Write"),
    ]


def replay_rights(settings: Settings) -> list[Right]:
    """What a replay of dead letters needs."""
    topics = settings.topics
    return [
        Right("topic", topics.user_events_dlq, "Read"),
        *(Right("topic", name, "Write") for name in (topics.user_events, topics.user_events_dlq, topics.item_catalog)),
        Right("transactional-id", f"{settings.kafka.group_id}-", "Write"),
    ]


def reset_rights(settings: Settings) -> list[Right]:
    """What a reset of the group needs."""
    return [
        Right("topic", settings.topics.user_events, "Read"),
        Right("topic", settings.changelog_topic, "Read"),
        Right("topic", settings.changelog_topic, "Write"),
        Right("group", settings.kafka.group_id, "Read"),
        Right("transactional-id", f"{settings.kafka.group_id}-", "Write"),
    ]


async def check_access(kafka: KafkaSettings, rights: Sequence[Right]) -> None:
    """Returns where all are granted, as far as the broker says. Raises KafkaAccessError that names the others."""
    client: Any = AIOKafkaClient(**client_options(kafka))
    try:
        await client.bootstrap()
        missing = [right for right in rights if not await _is_granted(client, right)]
    finally:
        await client.close()
    if missing:
        raise KafkaAccessError(denial(kafka, missing))


async def raise_permanent(kafka: KafkaSettings, error: BaseException, rights: Sequence[Right] = ()) -> None:
    """Raises an error with its cure where trying again would change nothing; returns where it may help."""
    if isinstance(error, _DENIALS):
        with contextlib.suppress(KafkaError):  # the broker has gone meanwhile: the denial stands
            await check_access(kafka, rights)
        raise KafkaAccessError(f"the broker denies {_principal(kafka)} a right: {error}") from error
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        raise TopicError(f"a topic holds records that cannot be decoded ({error}): restore it") from error
    if isinstance(error, KafkaConnectionError | NodeNotReadyError):
        check_open_files()
        await check_connection(kafka)


async def with_cure(kafka: KafkaSettings, error: Exception, rights: Sequence[Right]) -> Exception:
    """The error; in place of one of aiokafka's, that of `raise_permanent` where there is a cure."""
    cause: BaseException | None = error
    while cause is not None:
        try:
            await raise_permanent(kafka, cause, rights)
        except (KafkaAccessError, TopicError) as cure:
            return cure
        cause = cause.__cause__
    return error


async def _is_granted(client: Any, right: Right) -> bool:
    if right.resource == "topic":
        topic = (await describe_topics_by(client, [right.name]))[right.name]
        return topic.describable and (not topic.exists or topic.allows(right.operation))
    try:
        if right.resource == "transactional-id":
            await client.coordinator_lookup(CoordinationType.TRANSACTION, right.name)
            return True
        node = await client.coordinator_lookup(CoordinationType.GROUP, right.name)
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return False
    except KafkaError:
        return True  # not to be learnt now: a coordinator is being elected
    response = await client.send(node, DescribeAuthorizedGroup(right.name))
    ((code, *_, operations),) = response.groups
    if for_code(code) is GroupAuthorizationFailedError:
        return False
    return operations < 0 or bool(operations >> OPERATIONS[right.operation] & 1)


def denial(kafka: KafkaSettings, missing: Sequence[Right]) -> str:
    """The line that names the rights, and how they are granted."""
    named = ", ".join(f"{right.operation} on {right.resource} {right.name}" for right in missing)
    commands = " && ".join(_command(kafka, right) for right in missing)
    return f"the broker does not allow {_principal(kafka)}: {named}. Grant it: {commands}"


def _command(kafka: KafkaSettings, right: Right) -> str:
    pattern = " --resource-pattern-type prefixed" if right.resource == "transactional-id" else ""
    return (
        f"kafka-acls.sh --bootstrap-server {kafka.bootstrap_servers} --add --allow-principal "
        f"User:{kafka.sasl_username or '…'} --operation {right.operation} --{right.resource} {right.name}{pattern}"
    )


def _principal(kafka: KafkaSettings) -> str:
    if not kafka.uses_sasl:
        return f"the client of kafka.ssl_cert_file={kafka.ssl_cert_file}" if kafka.ssl_cert_file else "this client"
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return f"the client of kafka.sasl_oauth_client_id={kafka.sasl_oauth_client_id}"
    return f"kafka.sasl_username={kafka.sasl_username}"


class DescribeGroupsResponseV3(Response):
    """Groups, with the operations that are authorized."""

    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class DescribeGroupsRequestV3(RequestStruct):
    """A group by its id, on the wire."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponseV3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class DescribeAuthorizedGroup(Request[DescribeGroupsRequestV3]):
    """The request whose answer aiokafka reads without the operations."""

    API_KEY = 15

    def __init__(self, group_id: str) -> None:
        self._group_id = group_id

    def build(self, request_struct_class: type[DescribeGroupsRequestV3]) -> DescribeGroupsRequestV3:
        """The struct that goes over the wire."""
        return request_struct_class([self._group_id], True)
