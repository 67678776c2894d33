"""Events and predictions in Confluent's wire format, by a real registry, from Confluent's own serializers."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from decimal import Decimal
from operator import itemgetter
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from rich.console import Console

from state.event_hash import CHAIN_BYTES, advance_chain
from streams.errors import RegistryError, Rejected
from streams.kafka.reader import read_topic
from streams.registry.connection import connect_registry
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import UserEvent
from streams.settings.registry_section import RegistrySettings
from streams.terminal.predictions import tail_predictions
from streams.terminal.user import show_user
from tests.apicurio import apicurio
from tests.confluent_serializers import Event, serializer_of
from tests.integration.deployment import Deploy, Deployment

_EVENTS = 600
_TYPES = {"VIEW": "view", "CLICK": "click", "BUY": "purchase"}


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    with apicurio() as url:
        yield url


@pytest.fixture
def client(registry_url: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry_url}) as client:
        yield client


def source_event(number: int, version: int) -> Event:
    event = {
        "user_id": f"u{number % 37}",
        "event_type": ("VIEW", "CLICK", "BUY")[number % 3],
        "item_id": f"i{number * 7 % 53}",
        "timestamp": 1_731_900_000_000 + number * 1000 + 7,
        "event_id": f"e{number}",
        "value": Decimal(number) / 4,
    }
    return event | ({"text": f"text {number}"} if version else {})


class ForeignProducer:
    """librdkafka with Confluent's serializers; the events of a user stay in order, whatever their version."""

    def __init__(self, site: Deployment, kind: str, client: SchemaRegistryClient, folder: Path) -> None:
        self.sent: list[tuple[Event, int]] = []
        self._topic = site.settings.topics.user_events
        self._serialize = serializer_of(kind, client, self._topic, folder)
        self._producer = Producer({"bootstrap.servers": site.servers, "partitioner": "murmur2_random", "linger.ms": 20})

    def send(self, begin: int, end: int, version: int) -> None:
        for number in range(begin, end):
            event = source_event(number, version)
            key, value = self._serialize(event, version)
            self._producer.produce(self._topic, value, key)
            self._producer.poll(0)
            self.sent.append((event, version))
        assert self._producer.flush(120) == 0


async def _decoded(site: Deployment) -> list[UserEvent]:
    """The events in the topic, by their number."""
    registry = await connect_registry(site.settings.registry)
    assert registry is not None
    events: list[UserEvent] = []
    async for record in read_topic(site.settings.kafka, site.settings.topics.user_events):
        await registry.load([record])
        (event,), rejected = decode(record, rules=SchemaRules.of(site.settings.events, registry))
        assert rejected is None
        assert isinstance(event, UserEvent)
        events.append(event)
    return sorted(events, key=lambda event: int(event.event_id[1:]))


@pytest.mark.parametrize("kind", ["avro", "json", "protobuf"])
async def test_events_of_confluent_s_serializers_give_exact_rows(
    registry_url: str, client: SchemaRegistryClient, deploy: Deploy, tmp_path: Path, kind: str
) -> None:
    overrides = ["events.map={ user = 'user.id' }"] if kind == "protobuf" else []
    site = await deploy(f"registry.url={registry_url}", *overrides)
    worker = site.worker()
    producer = ForeignProducer(site, kind, client, tmp_path)
    producer.send(0, _EVENTS, 0)
    await site.sent_by_others()
    await worker.owns()
    await site.applied()
    producer.send(_EVENTS, 2 * _EVENTS, 1)  # the schema evolves while the worker runs
    producer.send(2 * _EVENTS, 2 * _EVENTS + 100, 0)  # and some producers are behind
    await site.sent_by_others()
    await site.finish(worker)

    rows = await site.check(stopped=["a"])
    chains: dict[str, bytes] = {}
    for sent, _ in producer.sent:
        before = chains.get(sent["user_id"], bytes(CHAIN_BYTES))
        chains[sent["user_id"]] = advance_chain(before, [sent["event_id"].encode()])
    assert {user: row.chain for user, row in rows.items()} == chains
    assert sum(row.count for row in rows.values()) == 2 * _EVENTS + 100
    for event, (sent, version) in zip(await _decoded(site), producer.sent, strict=True):
        assert event.user_id == sent["user_id"]
        assert event.event_type == _TYPES[sent["event_type"]]
        assert (event.item_id, event.time_ms, event.event_id) == (sent["item_id"], sent["timestamp"], sent["event_id"])
        assert (event.value, event.text) == (float(sent["value"]), sent["text"] if version else None)
    assert "WARNING" not in worker.text()


async def test_schemas_registered_as_text_and_what_a_real_registry_does_not_have(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """As Java's serializers and build plugins register them."""
    user = 'syntax = "proto3"; package shop; message User { string id = 1; }'
    event = 'syntax = "proto3"; import "shop/user.proto"; message Event { shop.User user = 1; int64 at = 2; }'
    client.register_schema(f"{prefix}-user", Schema(user, "PROTOBUF"))
    reference = SchemaReference("shop/user.proto", f"{prefix}-user", 1)
    known = client.register_schema(f"{prefix}-value", Schema(event, "PROTOBUF", [reference]))
    registry = await connect_registry(RegistrySettings(url=registry_url))
    assert registry is not None
    value = struct.pack(">bI", 0, known) + b"\0\x0a\x04\x0a\x02u1\x10\x11"
    unknown = struct.pack(">bI", 0, 2**31 - 1) + b"\0"
    await registry.load_parts([value, unknown])
    assert json.loads(registry.to_json(value)) == {"user": {"id": "u1"}, "at": 17}
    with pytest.raises(Rejected, match=r"unknown_schema_id: no schema has the id 2147483647 .* answers 404 "):
        registry.to_json(unknown)
    with pytest.raises(RegistryError, match=r"is no schema registry .*Apicurio below /apis/ccompat/v7"):
        await connect_registry(RegistrySettings(url=registry_url.replace("/apis/ccompat/v7", "")))


async def test_predictions_in_avro_are_read_by_others_and_by_our_commands(
    registry_url: str,
    client: SchemaRegistryClient,
    deploy: Deploy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = await deploy(f"registry.url={registry_url}", "predictions.format=avro")
    topic = site.settings.topics.interest_predictions
    worker = site.worker()
    producer = ForeignProducer(site, "avro", client, tmp_path)
    producer.send(0, 200, 0)
    await site.sent_by_others()
    await site.finish(worker)
    await site.check(stopped=["a"])

    deserialize = AvroDeserializer(client)
    context = SerializationContext(topic, MessageField.VALUE)
    foreign = [deserialize(record.value, context) async for record in site.read(topic)]
    assert len(foreign) == 200
    console = Console(width=200, force_terminal=False)
    await tail_predictions(site.settings, console, limit=200, from_start=True, as_json=True)
    ours = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    given = [{name: value for name, value in prediction.items() if value is not None} for prediction in foreign]
    assert sorted(ours, key=itemgetter("prediction_id")) == sorted(given, key=itemgetter("prediction_id"))
    with console.capture() as captured:
        await tail_predictions(site.settings, console, limit=1, from_start=True)
        await show_user(site.settings, console, "u1")
    assert len(re.findall("because of ", captured.get())) == 2
