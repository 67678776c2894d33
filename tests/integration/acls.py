"""Access control lists of a broker, and those of docs/kafka.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from confluent_kafka import admin as confluent_admin

from streams.kafka.topic_specs import every_topic_spec
from streams.settings.settings import Settings
from tests.integration.deployment import Deployment
from tests.integration.worker import killed_at_end
from tests.secured_kafka import PASSWORD, USER, SecuredKafka

kafka_admin: Any = confluent_admin  # exports more than it declares

SECRET: Final = {"INTEREST_KAFKA__SASL_PASSWORD": PASSWORD}
"""Environment of the user's commands"""

Acl = tuple[str, str, str]
"""Resource, name, operation"""


@contextmanager
def authorizing_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """A Kafka that allows a user what its lists say alone."""
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    secured = SecuredKafka(folder, settings)
    with secured.kafka:
        yield secured


class Acls:
    """The lists of the broker, changed by a super user."""

    def __init__(self, secured: SecuredKafka) -> None:
        self._admin = kafka_admin.AdminClient({"bootstrap.servers": secured.kafka.bootstrap_servers})

    def set(self, acls: Iterable[Acl]) -> None:
        """The user has these alone."""
        any_pattern, any_operation = kafka_admin.ResourcePatternType.ANY, kafka_admin.AclOperation.ANY
        any_resource, any_permission = kafka_admin.ResourceType.ANY, kafka_admin.AclPermissionType.ANY
        everything = kafka_admin.AclBindingFilter(
            any_resource, None, any_pattern, None, None, any_operation, any_permission
        )
        for future in self._admin.delete_acls([everything]).values():
            future.result()
        if bindings := [self._binding(acl) for acl in dict.fromkeys(acls)]:
            for future in self._admin.create_acls(bindings).values():
                future.result()
        time.sleep(0.5)  # until the broker applies them

    def _binding(self, acl: Acl) -> Any:
        resource, name, operation = acl
        patterns = kafka_admin.ResourcePatternType
        pattern = patterns.PREFIXED if resource == "transactional-id" else patterns.LITERAL
        kind = {
            "topic": kafka_admin.ResourceType.TOPIC,
            "group": kafka_admin.ResourceType.GROUP,
            "cluster": kafka_admin.ResourceType.BROKER,
            "transactional-id": kafka_admin.ResourceType.TRANSACTIONAL_ID,
        }[resource]
        wanted = {
            "Read": kafka_admin.AclOperation.READ,
            "Write": kafka_admin.AclOperation.WRITE,
            "Create": kafka_admin.AclOperation.CREATE,
            "Describe": kafka_admin.AclOperation.DESCRIBE,
            "DescribeConfigs": kafka_admin.AclOperation.DESCRIBE_CONFIGS,
        }[operation]
        return kafka_admin.AclBinding(
            kind, name, pattern, f"User:{USER}", "*", wanted, kafka_admin.AclPermissionType.ALLOW
        )


def names_of(settings: Settings) -> dict[str, str]:
    topics = settings.topics
    return {
        "source": topics.user_events,
        "predictions": topics.interest_predictions,
        "dlq": topics.user_events_dlq,
        "index": topics.item_index,
        "catalog": topics.item_catalog,
        "quality": topics.interest_quality,
        "releases": topics.model_releases,
        "changelog": settings.changelog_topic,
    }


READ = ("source", "changelog", "index", "catalog", "releases")


def worker_acls(settings: Settings) -> dict[str, Acl]:
    """Those of docs/kafka.md for `worker` with an external trainer, by a name."""
    names = names_of(settings)
    acls = {f"{key} configs": ("topic", name, "DescribeConfigs") for key, name in names.items()}
    acls |= {f"{key} read": ("topic", names[key], "Read") for key in READ}
    acls |= {f"{key} write": ("topic", name, "Write") for key, name in names.items() if key != "releases"}
    acls["group"] = ("group", settings.kafka.group_id, "Read")
    acls["transactional id"] = transactional_id(settings)
    return acls


def trainer_acls(settings: Settings) -> list[Acl]:
    """What a trainer needs."""
    names, group_id = names_of(settings), settings.kafka.group_id
    return [
        *(("topic", names[key], "DescribeConfigs") for key in ("changelog", "releases", "index", "catalog")),
        *(("topic", names[key], "Read") for key in ("changelog", "releases", "index", "catalog")),
        *(("topic", names[key], "Write") for key in ("releases", "index")),
        ("group", f"{group_id}-trainer", "Read"),
        transactional_id(settings),
    ]


def transactional_id(settings: Settings) -> Acl:
    """That of all that writes in transactions."""
    return ("transactional-id", f"{settings.kafka.group_id}-", "Write")


def topics_acls(settings: Settings) -> list[Acl]:
    """Those of docs/kafka.md for `topics`."""
    operations = ("Create", "Describe", "DescribeConfigs")
    return [("topic", spec.name, operation) for spec in every_topic_spec(settings) for operation in operations]


def web_acls(settings: Settings) -> list[Acl]:
    """Those of docs/kafka.md for `web`, the right to take events last."""
    names = names_of(settings)
    read = ("source", "predictions", "catalog", "quality", "dlq", "releases")
    return [*(("topic", names[key], "Read") for key in read), ("topic", names["source"], "Write")]


def replay_acls(settings: Settings) -> list[Acl]:
    """Those of docs/kafka.md for `dlq replay`."""
    names = names_of(settings)
    written: list[Acl] = [("topic", names[key], "Write") for key in ("source", "dlq", "catalog")]
    return [("topic", names["dlq"], "Read"), *written, transactional_id(settings)]


def reset_acls(settings: Settings) -> list[Acl]:
    """Those of docs/kafka.md for `reset`."""
    names = names_of(settings)
    return [
        ("topic", names["source"], "Read"),
        ("topic", names["changelog"], "Read"),
        ("topic", names["changelog"], "Write"),
        ("group", settings.kafka.group_id, "Read"),
        transactional_id(settings),
    ]


Sites = Callable[[Iterable[str]], dict[str, Deployment]]


@contextmanager
def deployments_of_user(secured: SecuredKafka, prefix: str, folder: Path) -> Iterator[Sites]:
    """Makes deployments by name, of one partition, whose commands and workers are the user's and end with the block."""
    overrides = ["topics.partitions=1", *secured.sasl("PLAIN", "SASLPLAIN", "SASL_PLAINTEXT")]
    with ExitStack() as stack:

        def make(names: Iterable[str]) -> dict[str, Deployment]:
            made = {}
            for number, name in enumerate(names):
                (site_folder := folder / str(number)).mkdir()
                made[name] = Deployment(secured.kafka.bootstrap_servers, f"{prefix}-{number}", site_folder, overrides)
                stack.enter_context(killed_at_end(made[name].workers))
            return made

        yield make
