"""The application's topics: created where missing, verified where not."""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.errors import KafkaAccessError, TopicError
from streams.kafka.client.access import Right, denial
from streams.kafka.client.client_options import client_options
from streams.kafka.client.connection import check_connection, no_broker
from streams.kafka.client.metadata import TopicMetadata, describe_topics_by
from streams.kafka.topic_specs import TopicSpec, every_topic_spec, topic_specs
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings

_DEADLINE_S = 30.0
_REQUEST_TIMEOUT_MS = 5_000
_RETRY_S = 0.1
_DENIALS = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


@dataclass(frozen=True, slots=True)
class TopicReport:
    """A topic that exists and fits its specification."""

    name: str
    partitions: int
    policy: str
    outcome: Literal["created", "ok"]


async def ensure_topics(settings: Settings, names: Collection[str] | None = None) -> tuple[TopicReport, ...]:
    """Creates missing topics and verifies the others; `TopicError` names each fault and its remedy. Alters no topic.

    `names` are those of a client that has nothing to do with the others; None: those of workers.
    """
    specs = (
        topic_specs(settings) if names is None else [spec for spec in every_topic_spec(settings) if spec.name in names]
    )
    created: set[str] = set()
    end = time.monotonic() + _DEADLINE_S
    while True:
        # A new client for each attempt: a client that knows a dead controller keeps asking that one.
        admin = AIOKafkaAdminClient(**client_options(settings.kafka), request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await admin.start()
        except KafkaConnectionError as error:
            await admin.close()
            await check_connection(settings.kafka)
            raise TopicError(await no_broker(settings.kafka)) from error
        try:
            return await _verify_or_create(admin, settings, specs, created)
        except (_NotReadyError, KafkaError, TimeoutError) as error:
            if time.monotonic() > end:
                raise TopicError(
                    f"the topics were not ready after {_DEADLINE_S:.0f} s: {error!r}; start the brokers that are down"
                ) from error
        finally:
            await admin.close()
        await asyncio.sleep(_RETRY_S)


class _NotReadyError(Exception):
    """The broker is still applying a change: ask again."""


async def _verify_or_create(
    admin: AIOKafkaAdminClient, settings: Settings, specs: Sequence[TopicSpec], created: set[str]
) -> tuple[TopicReport, ...]:
    topics = await _describe(admin, settings, specs)
    if missing := [spec for spec in specs if not topics[spec.name].exists]:
        created |= await _create(admin, settings.kafka, missing)
        topics = await _describe(admin, settings, specs)
    # A new topic takes a moment to be known everywhere and to have leaders, and longer while a broker is down.
    if waiting := [spec.name for spec in specs if not topics[spec.name].leaders or min(topics[spec.name].leaders) < 0]:
        raise _NotReadyError(f"partitions without a leader in {', '.join(waiting)}")
    configs = await _configs(admin, settings.kafka, [spec.name for spec in specs])
    faults = [
        fault for spec in specs for fault in _faults(spec, topics[spec.name].partitions, configs[spec.name], settings)
    ]
    if faults:
        raise TopicError("\n".join(faults))
    return tuple(
        TopicReport(
            spec.name,
            topics[spec.name].partitions,
            configs[spec.name]["cleanup.policy"],
            "created" if spec.name in created else "ok",
        )
        for spec in specs
    )


def partition_fault(spec: TopicSpec, partitions: int, settings: Settings) -> str | None:
    """The fault of a topic with so many partitions, and its remedy; None if there is none."""
    if not spec.verify_partitions or partitions == spec.partitions:
        return None
    return (
        f"{spec.name} has {partitions} partitions, must have {spec.partitions}: {_remedy(spec, partitions, settings)}"
    )


def _faults(spec: TopicSpec, partitions: int, configs: Mapping[str, str], settings: Settings) -> Iterator[str]:
    if (fault := partition_fault(spec, partitions, settings)) is not None:
        yield fault
    wrong = {name: value for name, value in spec.exact.items() if _value(configs[name]) != _value(value)}
    wrong |= {name: str(least) for name, least in spec.at_least.items() if int(configs[name]) < least}
    for name, value in wrong.items():
        bound = "at least " if name in spec.at_least else ""
        yield f"{spec.name} has {name}={configs[name]}, must have {bound}{value}"
    if wrong:
        added = ",".join(f"{name}=[{value}]" for name, value in wrong.items())
        yield (
            f"  mend it: kafka-configs.sh --bootstrap-server {settings.kafka.bootstrap_servers} "
            f"--alter --entity-type topics --entity-name {spec.name} --add-config '{added}'"
        )


def _remedy(spec: TopicSpec, partitions: int, settings: Settings) -> str:
    if spec.name == settings.topics.item_index:
        return "the order in it is the items' numbering; take another topic, --set topics.item_index=NAME"
    if spec.name == settings.topics.user_events:
        return (
            f"if {partitions} is right, --set topics.partitions={partitions}; where rows have been written with "
            f"{spec.partitions}, also --set kafka.group_id=NAME, a new group, which reads all events again"
        )
    return (
        f"input, output and rows need the same number; --set topics.partitions={partitions} if the input has as many, "
        f"else another topic, --set {spec.setting}=NAME"
    )


def _value(config: str) -> frozenset[str]:
    """The entries of a config value, so that lists compare equal in any order."""
    return frozenset(config.replace(" ", "").split(","))


async def _create(admin: AIOKafkaAdminClient, kafka: KafkaSettings, missing: Sequence[TopicSpec]) -> set[str]:
    """Names of the topics that this call created; others may create them at the same time."""
    answer: Any = await admin.create_topics(
        [NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=spec.configs) for spec in missing]
    )
    specs = {spec.name: spec for spec in missing}
    errors = {name: (for_code(code), message) for name, code, message in answer.topic_errors}
    refused = {
        name: (error, message)
        for name, (error, message) in errors.items()
        if error not in (NoError, TopicAlreadyExistsError)
    }
    if any(error.retriable for error, _ in refused.values()):
        raise _NotReadyError(f"creation answered {sorted(error.__name__ for error, _ in refused.values())}")
    if denied := [name for name, (error, _) in refused.items() if error in _DENIALS]:
        raise KafkaAccessError(denial(kafka, [Right("topic", name, "Create") for name in denied]))
    if refused:
        raise TopicError(
            "\n".join(
                f"{name} is missing and the broker refused to create it ({error.__name__}: {message}). "
                f"Mend that, or create it: {_create_command(kafka.bootstrap_servers, specs[name])}"
                for name, (error, message) in refused.items()
            )
        )
    return {name for name, (error, _) in errors.items() if error is NoError}


def _create_command(servers: str, spec: TopicSpec) -> str:
    configs = " ".join(f"--config {name}={value}" for name, value in spec.configs.items())
    return (
        f"kafka-topics.sh --bootstrap-server {servers} --create --topic {spec.name} "
        f"--partitions {spec.partitions} --replication-factor {spec.replication} {configs}"
    )


async def _describe(
    admin: AIOKafkaAdminClient, settings: Settings, specs: Sequence[TopicSpec]
) -> Mapping[str, TopicMetadata]:
    topics = await describe_topics_by(admin._client, [spec.name for spec in specs])
    if hidden := [topic.name for topic in topics.values() if not topic.describable]:
        raise KafkaAccessError(denial(settings.kafka, [Right("topic", name, "Describe") for name in hidden]))
    return topics


async def _configs(admin: AIOKafkaAdminClient, kafka: KafkaSettings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Effective configs by topic."""
    answers: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    configs: dict[str, dict[str, str]] = {}
    denied = []
    for code, message, _, name, entries in (resource for answer in answers for resource in answer.resources):
        error = for_code(code)
        if error is UnknownTopicOrPartitionError:  # this broker learns of it later than the one asked before
            raise _NotReadyError(f"{name} is not known everywhere")
        if error in _DENIALS:
            denied.append(Right("topic", name, "DescribeConfigs"))
            continue
        if error is not NoError:
            raise TopicError(f"the broker does not show the configs of {name} ({error.__name__}: {message})")
        configs[name] = {entry[0]: entry[1] for entry in entries}
    if denied:
        raise KafkaAccessError(denial(kafka, denied))
    return configs
