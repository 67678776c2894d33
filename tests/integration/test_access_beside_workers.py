"""Access control lists of a trainer and of ingest: exactly these suffice, and each that is missing is named."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.integration.acls import SECRET, Acls, authorizing_kafka, deployments_of_user, topics_acls, trainer_acls
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import set_environment
from tests.integration.ingesting import orders_to_ingest
from tests.integration.training import Trainer, release_readers
from tests.integration.worker import Command, killed_at_end
from tests.secured_kafka import SecuredKafka
from tests.topics import input_end

_with_secret = partial(set_environment, SECRET)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with authorizing_kafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture
def site(secured: SecuredKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    with deployments_of_user(secured, prefix, tmp_path) as make:
        yield make(["the only one"]).popitem()[1]


async def test_a_trainer_needs_exactly_these_rights_and_names_each_that_is_missing(
    secured: SecuredKafka, site: Deployment, tmp_path: Path
) -> None:
    trainers: list[Trainer] = []
    with killed_at_end(trainers):
        acls, rights = Acls(secured), trainer_acls(site.settings)

        def start() -> Trainer:
            log = tmp_path / f"trainer-{len(trainers)}.log"
            trainers.append(Trainer(site.overrides("a"), log, _with_secret))
            return trainers[-1]

        acls.set(topics_acls(site.settings))
        await site.create()
        acls.set(rights)
        trainer = start()
        await trainer.wait_for("training begins")
        await trainer.stop()
        acls.set([("topic", site.settings.topics.model_releases, "Read")])
        async with release_readers(site.settings) as (reader,):
            assert reader.numbers == [1]
        for denied in rights:
            acls.set(right for right in rights if right != denied)
            trainer = start()
            assert await trainer.ended() == 70, (denied, trainer.text())
            resource, name, operation = denied
            last = trainer.text().strip().splitlines()[-1]
            assert f": {operation} on {resource} {name}. Grant it: kafka-acls.sh" in last, (denied, trainer.text())


async def test_ingest_needs_exactly_these_rights_and_names_each_that_is_missing(
    secured: SecuredKafka, site: Deployment
) -> None:
    acls, (source, rights) = Acls(secured), await orders_to_ingest(secured, site)
    words = ["ingest", "--from", source, "--until-end", *(f"--set={override}" for override in site.overrides("a"))]
    processes: list[Command] = []

    async def ends() -> tuple[int, str]:
        processes.append(process := Command(words, site.folder / f"ingest-{len(processes)}.log", _with_secret))
        return await process.ended(), process.text()

    with killed_at_end(processes):
        acls.set(rights)
        code, text = await ends()
        assert code == 0, text
        assert "10 records read, 8 events written" in text
        assert f"2 records are dead letters: not_json; first {source}:0:0: Expecting value" in text
        for denied in rights:
            acls.set(right for right in rights if right != denied)
            code, text = await ends()
            resource, name, operation = denied
            assert code == 1, (denied, text)
            assert f": {operation} on {resource} {name}. Grant it: kafka-acls.sh" in text, (denied, text)
            assert "Traceback" not in text


async def test_a_right_taken_from_a_running_ingest_ends_it(secured: SecuredKafka, site: Deployment) -> None:
    acls, (source, rights) = Acls(secured), await orders_to_ingest(secured, site)
    words = ["ingest", "--from", source, *(f"--set={override}" for override in site.overrides("a"))]
    processes: list[Command] = []
    with killed_at_end(processes):
        for number, denied in enumerate(rights[:4]):
            acls.set(rights)
            processes.append(process := Command(words, site.folder / f"ingest-{number}.log", _with_secret))
            await process.wait_for("as a member of the group")
            async with AIOKafkaProducer(bootstrap_servers=secured.kafka.bootstrap_servers) as producer:
                written = await input_end(secured.kafka.bootstrap_servers, site.settings.topics)
                await producer.send_and_wait(source, round_robin_event(number)[1])
                # It is running, not still joining, once it has written the event.
                while await input_end(secured.kafka.bootstrap_servers, site.settings.topics) == written:
                    await asyncio.sleep(0.1)
                acls.set(right for right in rights if right != denied)
                for value in (round_robin_event(number)[1], b"bad"):
                    await producer.send_and_wait(source, value)
            assert await process.ended() == 1, (denied, process.text())
            assert "Grant it: kafka-acls.sh" in process.text(), (denied, process.text())
            assert "Traceback" not in process.text()


async def test_a_right_to_the_group_that_is_taken_while_an_ingest_joins_ends_it(
    secured: SecuredKafka, site: Deployment
) -> None:
    acls, (source, rights) = Acls(secured), await orders_to_ingest(secured, site)
    words = ["ingest", "--from", source, *(f"--set={override}" for override in site.overrides("a"))]
    with killed_at_end([process := Command(words, site.folder / "ingest.log", _with_secret)]):
        acls.set(rights)
        await process.wait_for("as a member of the group")
        process.send(signal.SIGSTOP)
        acls.set(right for right in rights if right[0] != "group")
        await asyncio.sleep(1)  # until the broker knows it
        process.send(signal.SIGCONT)
        assert await process.ended() == 1, process.text()
        assert "Read on group" in process.text()
