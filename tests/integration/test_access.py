"""Access control lists: exactly those of docs/kafka.md suffice, and each that is missing is named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from streams.cli.logs.train import registered_items
from tests.integration.acls import (
    SECRET,
    Acl,
    Acls,
    Sites,
    authorizing_kafka,
    deployments_of_user,
    names_of,
    replay_acls,
    reset_acls,
    topics_acls,
    trainer_acls,
    web_acls,
    worker_acls,
)
from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import set_environment
from tests.integration.web_site import WebSite, eventually, ready
from tests.integration.worker import Worker
from tests.secured_kafka import PASSWORD, SecuredKafka

_with_secret = partial(set_environment, SECRET)

_LETTER = b"u1", b'{"user_id": "u1", "event_type": "click", "sku": "i1", "timestamp": 1731900000123}'
"""A record without an item, but for those who know its name of the field"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with authorizing_kafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def sites(secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    with deployments_of_user(secured, prefix, tmp_path) as make:
        yield make


@pytest.fixture
def site(sites: Sites) -> Deployment:
    return sites(["the only one"]).popitem()[1]


def test_exactly_these_lists_suffice(secured: SecuredKafka, site: Deployment, tmp_path: Path) -> None:
    acls, names = Acls(secured), names_of(site.settings)
    acls.set(topics_acls(site.settings))
    succeeds(site, "topics")

    async def work() -> None:
        worker = site.worker(fault=_with_secret)
        log = tmp_path / "log.csv"
        log.write_text("user,item,time\n" + "".join(f"u{n % 5},i{n},{1_700_000_000 + n}\n" for n in range(50)))
        await worker.owns()
        await asyncio.to_thread(succeeds, site, "replay", str(log))
        await site.send([_LETTER])
        await site.sent_by_others()
        await site.applied()
        await worker.stop()

    acls.set(worker_acls(site.settings).values())
    asyncio.run(work())
    acls.set([("topic", names["source"], "Read")])
    succeeds(site, "profile", "--topic")
    acls.set([("topic", names["predictions"], "Read"), ("topic", names["catalog"], "Read")])
    succeeds(site, "tail", "--from-start", "--limit=1")
    acls.set([("topic", names["index"], "Read")])
    assert asyncio.run(registered_items(site.settings))
    acls.set([("topic", names["quality"], "Read")])
    succeeds(site, "tail", "--stats", "--from-start", "--limit=1")
    acls.set([("topic", names[key], "Read") for key in ("changelog", "index", "predictions", "catalog")])
    succeeds(site, "show", "u1")
    acls.set([("topic", names["dlq"], "Read")])
    assert "missing_field" in succeeds(site, "dlq", "list")
    assert "sku" in succeeds(site, "dlq", "show", "0:0")
    acls.set(replay_acls(site.settings))
    assert "1 events" in succeeds(site, "dlq", "replay", overrides=['events.map={item = "sku"}'])
    acls.set(reset_acls(site.settings))
    succeeds(site, "reset", "--to=earliest", "--yes")


@pytest.mark.parametrize("command", [("dlq", "replay"), ("reset", "--to=earliest", "--yes")])
def test_each_right_that_a_command_of_several_lacks_is_named(
    secured: SecuredKafka, site: Deployment, command: tuple[str, ...]
) -> None:
    acls = Acls(secured)
    acls.set(topics_acls(site.settings))
    asyncio.run(_create(site))
    rights = replay_acls(site.settings) if command[0] == "dlq" else reset_acls(site.settings)
    for missing in rights:
        acls.set(right for right in rights if right != missing)
        resource, name, operation = missing
        line = fails(site, *command)
        assert f"does not allow kafka.sasl_username=alice: {operation} on {resource} {name}. Grant it: " in line
        assert f"--operation {operation} --{resource} {name}" in line


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
    "releases read": ("Read on topic ", "-model_releases"),
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
            worker = site.worker(fault=_with_secret)
            assert await worker.ended() == 70, (denied, worker.text())
        text = worker.text()
        last = text.strip().splitlines()[-1]
        assert "the broker does not allow kafka.sasl_username=alice" in last, (denied, text)
        assert all(part in last for part in DENIED[denied]), (denied, last)
        assert "Traceback" not in text, (denied, text)

    await asyncio.gather(*(ends(denied, site) for denied, site in deployments.items()))


async def test_a_worker_that_runs_the_trainer_needs_its_rights_too(secured: SecuredKafka, sites: Sites) -> None:
    (site,) = sites(["embedded"]).values()
    acls, rights, embedded = Acls(secured), worker_acls(site.settings).values(), ["trainer.mode=embedded"]
    acls.set(topics_acls(site.settings))
    await site.create()
    acls.set(rights)
    worker = site.worker(fault=_with_secret, overrides=embedded)
    assert await worker.ended() == 70, worker.text()
    last = worker.text().strip().splitlines()[-1]
    assert f"Write on topic {site.settings.topics.model_releases}" in last
    assert f"Read on group {site.settings.trainer_group}" in last
    acls.set([*rights, *trainer_acls(site.settings)])
    worker = site.worker(fault=_with_secret, overrides=embedded)
    await worker.wait_for("training begins")  # the child has the secret, which no file holds
    await worker.stop()
    assert PASSWORD not in (site.data_dir() / "trainer.toml").read_text()


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


@pytest.mark.parametrize(
    "command",
    [
        ["tail"],
        ["tail", "--stats"],
        ["show", "u1"],
        ["synthesize", "--rate=max"],
        ["profile", "--topic"],
        ["dlq", "list"],
        ["dlq", "show", "0:0"],
        ["dlq", "replay"],
        ["reset", "--to=latest", "--yes"],
    ],
)
def test_each_command_names_the_right_that_is_missing(
    secured: SecuredKafka, site: Deployment, command: list[str]
) -> None:
    acls = Acls(secured)
    acls.set(topics_acls(site.settings))
    asyncio.run(_create(site))
    acls.set([])
    assert "the broker does not allow kafka.sasl_username=alice: " in fails(site, *command)  # once, not for ever


async def _create(site: Deployment) -> None:
    await site.create()


async def test_a_web_server_needs_exactly_these_rights_and_waits_for_one_that_is_missing(
    secured: SecuredKafka, site: Deployment
) -> None:
    acls, rights = Acls(secured), web_acls(site.settings)
    acls.set(topics_acls(site.settings))
    await site.create()
    acls.set(rights[1:])
    async with WebSite.of(site).serve(is_ready=False) as client:
        waiting = await eventually(client, "/health/ready", lambda body: "Grant it" in body.get("detail", ""))
        assert f"Read on topic {rights[0][1]}. Grant it: kafka-acls.sh" in waiting["detail"]
        acls.set(rights[:-1])
        await ready(client)
        event = {"user_id": "u1", "event_type": "click", "item_id": "i1", "timestamp": 1_731_900_000_123}
        refused = await client.post("/v1/events", json=event)
        assert (refused.status_code, "Write on topic" in refused.json()["detail"]) == (503, True), refused.text
        acls.set(rights)
        assert (await client.post("/v1/events", json=event)).status_code == 202
