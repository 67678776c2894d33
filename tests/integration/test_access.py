"""Access control lists: exactly those of docs/kafka.md suffice, and each that is missing is named."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import admin as confluent_admin

from streams.cli.logs.train import registered_items
from streams.settings.settings import Settings
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import set_environment
from tests.integration.worker import Worker, killed_at_end
from tests.secured_kafka import PASSWORD, USER, SecuredKafka

kafka_admin: Any = confluent_admin  # exports more than it declares
_ROOT = Path(__file__).parents[2]
_SECRET = {"INTEREST_KAFKA__SASL_PASSWORD": PASSWORD}
_DENIAL_S = 30.0

_with_secret = partial(set_environment, _SECRET)

Acl = tuple[str, str, str]
"""Resource, name, operation"""
Sites = Callable[[Iterable[str]], dict[str, Deployment]]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    secured = SecuredKafka(tmp_path_factory.mktemp("secured"), settings)
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
        "changelog": settings.changelog_topic,
    }


def worker_acls(settings: Settings) -> dict[str, Acl]:
    """Those of docs/kafka.md for `worker`, by a name."""
    names = names_of(settings)
    acls = {f"{key} configs": ("topic", name, "DescribeConfigs") for key, name in names.items()}
    acls |= {f"{key} read": ("topic", names[key], "Read") for key in ("source", "changelog", "index", "catalog")}
    acls |= {f"{key} write": ("topic", name, "Write") for key, name in names.items()}
    acls["group"] = ("group", settings.kafka.group_id, "Read")
    acls["transactional id"] = ("transactional-id", f"{settings.kafka.group_id}-", "Write")
    return acls


def topics_acls(settings: Settings) -> list[Acl]:
    """Those of docs/kafka.md for `topics`."""
    operations = ("Create", "Describe", "DescribeConfigs")
    return [("topic", name, operation) for name in names_of(settings).values() for operation in operations]


@pytest.fixture
def sites(secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    """Makes deployments by name, whose commands and workers are the user's."""
    for name, value in _SECRET.items():
        monkeypatch.setenv(name, value)
    overrides = ["topics.partitions=1", *secured.sasl("PLAIN", "SASLPLAIN", "SASL_PLAINTEXT")]
    with ExitStack() as stack:

        def make(names: Iterable[str]) -> dict[str, Deployment]:
            made = {}
            for number, name in enumerate(names):
                folder = tmp_path / str(number)
                folder.mkdir()
                made[name] = Deployment(secured.kafka.bootstrap_servers, f"{prefix}-{number}", folder, overrides)
                stack.enter_context(killed_at_end(made[name].workers))
            return made

        yield make


@pytest.fixture
def site(sites: Sites) -> Deployment:
    return sites(["the only one"]).popitem()[1]


def run(site: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as the user."""
    settings = [f"--set={override}" for override in site.overrides("a")]
    program = [sys.executable, "-m", "streams.cli", *words, *settings]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, cwd=_ROOT, check=False)


def test_exactly_these_lists_suffice(secured: SecuredKafka, site: Deployment, tmp_path: Path) -> None:
    acls, names = Acls(secured), names_of(site.settings)
    acls.set(topics_acls(site.settings))
    assert run(site, "topics").returncode == 0

    async def work() -> None:
        worker = site.worker(fault=_with_secret)
        log = tmp_path / "log.csv"
        log.write_text("user,item,time\n" + "".join(f"u{n % 5},i{n},{1_700_000_000 + n}\n" for n in range(50)))
        await worker.owns()
        done = await asyncio.to_thread(run, site, "replay", str(log))
        assert done.returncode == 0, done.stderr
        await site.sent_by_others()
        await site.applied()
        await worker.stop()

    acls.set(worker_acls(site.settings).values())
    asyncio.run(work())
    acls.set([("topic", names["predictions"], "Read"), ("topic", names["catalog"], "Read")])
    done = run(site, "tail", "--from-start", "--limit", "1")
    assert done.returncode == 0, done.stderr
    acls.set([("topic", names["index"], "Read")])
    assert asyncio.run(registered_items(site.settings))
    acls.set([("topic", names["quality"], "Read")])
    done = run(site, "tail", "--stats", "--from-start", "--limit", "1")
    assert done.returncode == 0, done.stderr
    acls.set([("topic", names[key], "Read") for key in ("changelog", "index", "predictions", "catalog")])
    done = run(site, "show", "u1")
    assert done.returncode == 0, done.stderr


DENIED = {
    "group": ("Read on group ", "--group "),
    "transactional id": ("Write on transactional-id ", "--resource-pattern-type prefixed"),
    "source write": ("Write on topic ", "-user_events"),
    "source read": ("Read on topic ", "-user_events"),
    "changelog read": ("Read on topic ", "-user-state-changelog"),
    "changelog write": ("Write on topic ", "-user-state-changelog"),
    "predictions write": ("Write on topic ", "-interest_predictions"),
    "dlq write": ("Write on topic ", "-user_events_dlq"),
    "index read": ("Read on topic ", "-item_index"),
    "index write": ("Write on topic ", "-item_index"),
    "catalog read": ("Read on topic ", "-item_catalog"),
    "catalog write": ("Write on topic ", "-item_catalog"),
    "quality write": ("Write on topic ", "-interest_quality"),
    "source configs": ("DescribeConfigs on topic ", "-user_events"),
}


def granted(sites: Mapping[str, Deployment]) -> Iterator[Acl]:
    """All that the workers need, but for the right by whose name each site goes."""
    for denied, site in sites.items():
        yield from (acl for name, acl in worker_acls(site.settings).items() if name != denied)


async def test_each_denial_ends_a_worker_and_names_the_right(secured: SecuredKafka, sites: Sites) -> None:
    """A deployment for each right that is missing, three at a time."""
    deployments = sites(DENIED)
    Acls(secured).set(acl for site in deployments.values() for acl in topics_acls(site.settings))
    await asyncio.gather(*(site.create() for site in deployments.values()))
    Acls(secured).set(granted(deployments))
    side_by_side = asyncio.Semaphore(3)

    async def ends(denied: str, site: Deployment) -> None:
        async with side_by_side:
            began = time.monotonic()
            worker = site.worker(fault=_with_secret)
            assert await worker.ended() == 70, (denied, worker.text())
            assert time.monotonic() - began < _DENIAL_S, denied
        text = worker.text()
        last = text.strip().splitlines()[-1]
        assert "the broker does not allow kafka.sasl_username=alice" in last, (denied, text)
        assert all(part in last for part in DENIED[denied]), (denied, last)
        assert "Traceback" not in text, (denied, text)

    await asyncio.gather(*(ends(denied, site) for denied, site in deployments.items()))


async def test_a_right_taken_from_a_running_worker_ends_it(secured: SecuredKafka, sites: Sites) -> None:
    deployments = sites(["predictions write", "group", "source read"])
    settings = [site.settings for site in deployments.values()]
    Acls(secured).set(acl for one in settings for acl in (*topics_acls(one), *worker_acls(one).values()))

    async def applies(site: Deployment) -> Worker:
        await site.create()
        worker = site.worker(fault=_with_secret)
        await site.send(round_robin_event(n) for n in range(20))
        await worker.owns()
        await site.applied()
        return worker

    workers = await asyncio.gather(*(applies(site) for site in deployments.values()))
    Acls(secured).set(granted(deployments))
    for denied, worker in zip(deployments, workers, strict=True):
        await deployments[denied].send(round_robin_event(n) for n in range(20, 40))
        assert await worker.ended() == 70, (denied, worker.text())
        last = worker.text().strip().splitlines()[-1]
        assert "kafka-acls.sh" in last, (denied, worker.text())


@pytest.mark.parametrize("command", [["tail"], ["tail", "--stats"], ["show", "u1"], ["synthesize", "--rate", "max"]])
def test_each_command_names_the_right_that_is_missing(
    secured: SecuredKafka, site: Deployment, command: list[str]
) -> None:
    acls = Acls(secured)
    acls.set(topics_acls(site.settings))
    asyncio.run(_create(site))
    acls.set([])
    began = time.monotonic()
    done = run(site, *command)
    assert done.returncode == 1, done.stderr
    assert "the broker does not allow kafka.sasl_username=alice: " in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < _DENIAL_S


async def _create(site: Deployment) -> None:
    await site.create()
