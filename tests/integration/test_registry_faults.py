"""A registry that is away, does not know an id, or refuses the worker: nothing is lost, and a line says what to do."""

from __future__ import annotations

import asyncio
import io
import signal
import struct
from collections.abc import Iterable
from functools import partial

import fastavro

from streams.reference_fold import fold_changelog
from streams.terminal.dead_letters import LetterFilter, read_letters
from streams.worker.dead_letter_replay import replay_letters
from tests.inputs import Input, events
from tests.integration.deployment import Deploy, Deployment
from tests.integration.faults import set_environment, stop_after
from tests.registry_server import RegistryServer, serving

_SCHEMA = {
    "type": "record",
    "name": "UserEvent",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "item_id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "event_id", "type": "string"},
    ],
}
_NEWER = {**_SCHEMA, "doc": "another id"}


def avro_events(schema_id: int, numbers: Iterable[int]) -> list[Input]:
    """Events with a key in UTF-8 and a value in Avro."""
    records: list[Input] = []
    for number in numbers:
        user = f"u{number % 17}"
        fields = {"user_id": user, "event_type": "click", "item_id": "i1", "timestamp": 1_731_900_000_000 + number}
        stream = io.BytesIO(struct.pack(">bI", 0, schema_id))
        stream.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(stream, fastavro.parse_schema(_SCHEMA), fields | {"event_id": f"e{number}"})
        records.append((user.encode(), stream.getvalue()))
    return records


async def _events(site: Deployment) -> int:
    rows = await fold_changelog(site.settings.kafka, site.settings.changelog_topic)
    return sum(row.count for row in rows.values())


def _port(registry: RegistryServer) -> int:
    return int(registry.url.rpartition(":")[2])


async def test_a_registry_that_is_away_for_a_while_costs_nothing(deploy: Deploy) -> None:
    registry = RegistryServer()
    first, second = registry.add("events-value", _SCHEMA), registry.add("events-value", _NEWER)
    with serving(registry):
        site = await deploy(f"registry.url={registry.url}")
        worker = site.worker()
        await site.send([*avro_events(first, range(100)), *events(1000, 1050)])
        await worker.owns()
        await site.applied()
    await site.send(avro_events(first, range(100, 150)))
    await site.applied()  # what is loaded needs no registry
    await site.send([*avro_events(second, range(150, 250)), *avro_events(first, range(250, 300))])
    await worker.wait_for("waiting for the schema registry")
    await asyncio.sleep(site.settings.kafka.session_timeout_s + 2)  # meanwhile the group keeps its member
    with serving(registry, port=_port(registry)):
        await site.applied()
        await worker.stop()
        assert worker.text().count("waiting for the schema registry") == 1
        assert worker.text().count("answers again") == 1
        assert worker.text().count("own partitions") == 1
        assert sum(row.count for row in (await site.check(stopped=["a"])).values()) == 350
        assert not await read_letters(site.settings, LetterFilter())
    assert len([request for request in registry.requests if "/schemas/ids/" in request]) <= 4  # two by this test


async def test_a_registry_that_stays_away_ends_the_worker_and_another_goes_on(deploy: Deploy) -> None:
    registry = RegistryServer()
    known = registry.add("events-value", _SCHEMA)
    with serving(registry):
        site = await deploy(f"registry.url={registry.url}", "registry.max_wait_s=1")
        worker = site.worker()
        await worker.owns()
    await site.send(avro_events(known, range(100)))
    assert await worker.ended() == 70
    last = worker.text().splitlines()[-1]
    assert f"the schema registry at {registry.url} has not answered for 1 s (registry.max_wait_s)" in last
    assert "Start it, or set registry.url; nothing is lost meanwhile" in last
    assert "Traceback" not in worker.text()
    with serving(registry, port=_port(registry)):
        await site.finish(site.worker())
        assert sum(row.count for row in (await site.check(stopped=["a"])).values()) == 100


async def test_a_worker_that_waits_for_a_registry_stops(deploy: Deploy) -> None:
    registry = RegistryServer()
    with serving(registry):
        site = await deploy(f"registry.url={registry.url}")
        worker = site.worker(fault=partial(stop_after, 1.0))
        await worker.owns()
    await site.send(avro_events(1, range(10)))
    await worker.wait_for("waiting for the schema registry")
    await worker.leave(signal.SIGTERM)
    assert "nothing of the step is visible" in worker.text()


async def test_a_worker_that_starts_waits_for_its_registry(deploy: Deploy) -> None:
    registry = RegistryServer()
    with serving(registry):
        pass
    site = await deploy(f"registry.url={registry.url}")
    worker = site.worker()
    await worker.wait_for("waiting for the schema registry")
    with serving(registry, port=_port(registry)):
        await worker.owns()
        await worker.stop()


async def test_a_registry_that_asks_for_a_password(deploy: Deploy) -> None:
    registry = RegistryServer()
    registry.user = ("key", "secret of the registry")
    known = registry.add("events-value", _SCHEMA)
    with serving(registry):
        site = await deploy(f"registry.url={registry.url}")
        refused = site.worker("refused")
        assert await refused.ended() == 70
        assert "answers 401 Unauthorized: set registry.username and INTEREST_REGISTRY__PASSWORD" in refused.text()
        password = {"INTEREST_REGISTRY__PASSWORD": registry.user[1]}
        worker = site.worker(fault=partial(set_environment, password), overrides=["registry.username=key"])
        await site.send(avro_events(known, range(50)))
        await worker.owns()
        await site.applied()
        registry.user = ("key", "changed meanwhile")
        await site.send(avro_events(registry.add("events-value", _NEWER), range(50, 60)))
        assert await worker.ended() == 70
        last = worker.text().splitlines()[-1]
        assert "registry.username=key with registry.password (INTEREST_REGISTRY__PASSWORD) is wrong" in last
        assert "secret of the registry" not in worker.text()
    assert await _events(site) == 50


async def test_letters_of_an_id_that_nobody_knows_are_sent_again_once_it_is_known(deploy: Deploy) -> None:
    registry = RegistryServer()
    known = registry.add("events-value", _SCHEMA)
    with serving(registry):
        site = await deploy(f"registry.url={registry.url}")
        worker = site.worker()
        broken = [(b"u1", b"\0\0\0\0\x01\x04u1"), (b"u1", b"\0"), (b"u1", struct.pack(">bI", 0, 2**31) + b"x")]
        await site.send([*avro_events(known, range(30)), *avro_events(known + 1, range(30, 50)), *broken])
        await worker.owns()
        await site.applied()
        assert await _events(site) == 30
        letters = await read_letters(site.settings, LetterFilter(reasons=("unknown_schema_id",)))
        assert len(letters) == 21
        assert letters[0].message.startswith(f"no schema has the id {known + 1} that the record begins with: ")
        assert len(await read_letters(site.settings, LetterFilter(reasons=("schema_mismatch",)))) == 2

        registry.add("events-value", _NEWER)
        counts = await replay_letters(site.settings, partial(read_letters, site.settings, LetterFilter()))
        assert (counts.letters, counts.events) == (20, 20)
        assert dict(counts.still_refused) == {"unknown_schema_id": 1, "schema_mismatch": 2}
        while await _events(site) < 50:
            assert worker.exit_code is None, worker.text()
        await worker.stop()
