"""Predictions in Avro: what is registered, what is written, and what readers make of it."""

import io
import json
import struct
from typing import Any

import fastavro
import msgspec
import orjson
import pytest

from streams.errors import RegistryError, StreamError
from streams.registry.client import RegistryClient
from streams.registry.prediction_encoder import avro_dump
from streams.registry.prediction_reader import PredictionReader
from streams.schema.documents.avro_schema import prediction_schema
from streams.schema.predictions import decode
from streams.settings.registry_section import RegistrySettings
from tests.registry_server import RegistryServer

PREDICTION: dict[str, Any] = {
    "schema_version": 1,
    "prediction_id": "user-events:3:991",
    "user_id": "u1",
    "caused_by": "e1",
    "event_time": 1_000,
    "emitted_at": 1_731_900_000_123,
    "model_version": "00c0ffee.17",
    "state_version": 118,
    "source": {"topic": "user-events", "partition": 3, "offset": 991},
    "items": ["i2", "i7"],
    "item_p": [0.04, 0.03],
    "other_p": 0.93,
    "categories": [],
    "category_p": [],
    "because": ["i9"],
    "because_weight": [0.4],
    "because_other": 0.45,
    "carried_by": {"attention": 0.45, "copying": 0.1, "following": 0.3, "popularity": 0.15},
}
OUTLOOK = {
    "horizons": [
        {
            "days": 1,
            "categories": ["a"],
            "category_p": [0.5],
            "items": ["i2"],
            "item_p": [0.25],
            "type_p": {"click": 0.75, "purchase": 0.125},
            "spent": 2.5,
        },
        {"days": 30, "categories": [], "category_p": [], "items": [], "item_p": [], "type_p": {}, "spent": 0.0},
    ],
    "return_p": {"1": 0.25, "30": 0.75},
}
VECTORS = {"short_term": [0.5, -1.25], "long_term": [2.0, 0.0]}


async def dump_to(server: RegistryServer, register: bool = True) -> Any:
    return await avro_dump(RegistryClient(RegistrySettings(url=server.url)), "predictions", register)


@pytest.mark.parametrize("prediction", [PREDICTION, PREDICTION | VECTORS, PREDICTION | OUTLOOK])
async def test_a_prediction_comes_back_as_it_was(server: RegistryServer, prediction: dict[str, Any]) -> None:
    value = (await dump_to(server))(prediction)
    assert server.subjects == {"predictions-value": [1]}
    assert struct.unpack(">bI", value[:5]) == (0, 1)
    reader = PredictionReader(RegistrySettings(url=server.url))
    assert await reader.read(value) == decode(orjson.dumps(prediction)) == await reader.read(orjson.dumps(prediction))
    assert json.loads(await reader.json(value)) == prediction
    schema = fastavro.parse_schema(json.loads(server.schemas[1]["schema"]))
    foreign = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
    assert foreign == dict.fromkeys((*VECTORS, *OUTLOOK)) | prediction


async def test_the_schema_is_registered_once(server: RegistryServer) -> None:
    first, second = (await dump_to(server))(PREDICTION), (await dump_to(server))(PREDICTION)
    assert first == second
    assert len(server.schemas) == 1


async def test_a_schema_that_somebody_else_registers(server: RegistryServer) -> None:
    with pytest.raises(RegistryError, match=r"not registered under predictions-value: .* 404 .* Register /.*\.avsc"):
        await dump_to(server, register=False)
    server.add("predictions-value", '"string"')
    known = server.add("predictions-value", prediction_schema())
    assert (await dump_to(server, register=False))(PREDICTION)[:5] == struct.pack(">bI", 0, known)
    assert not any(request.endswith("/versions") for request in server.requests)


async def test_a_registry_that_does_not_take_it(server: RegistryServer) -> None:
    server.incompatible = True
    with pytest.raises(RegistryError, match=r"not compatible with the one under predictions-value: .* 409 in"):
        await dump_to(server)
    server.read_only = True
    with pytest.raises(RegistryError, match=r"405 read only\. Register .* set registry\.register_schemas=false"):
        await dump_to(server)


async def test_readers_without_a_registry_name_the_setting(server: RegistryServer) -> None:
    value = (await dump_to(server))(PREDICTION)
    with pytest.raises(StreamError, match=r"cannot be decoded: .*; it begins like .* set registry\.url to read it"):
        await PredictionReader(RegistrySettings()).read(value)


async def test_a_record_that_is_no_prediction_is_a_stream_error(server: RegistryServer) -> None:
    reader = PredictionReader(RegistrySettings(url=server.url))
    for value in (b"{}", b"\0\0\0\0\x09x", b"\0"):
        with pytest.raises(StreamError, match="cannot be decoded"):
            await reader.read(value)


def test_a_record_of_the_schema_before_horizons_knew_types_is_read_by_this_one() -> None:
    """As a reader resolves it: what was added has a default."""
    before = prediction_schema()
    (horizons,) = (field for field in before["fields"] if field["name"] == "horizons")
    horizon = horizons["type"][1]["items"]
    horizon["fields"] = [field for field in horizon["fields"] if field["name"] not in ("type_p", "spent")]
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(before), PREDICTION | OUTLOOK)
    stream.seek(0)
    now = fastavro.parse_schema(prediction_schema())
    read = fastavro.schemaless_reader(stream, fastavro.parse_schema(before), now)
    assert isinstance(read, dict)
    assert [(horizon["type_p"], horizon["spent"]) for horizon in read["horizons"]] == [(None, None)] * 2


def test_what_is_not_avro_of_the_type_is_refused() -> None:
    assert msgspec.json.encode(PREDICTION)  # the same fields in JSON
    schema = fastavro.parse_schema(prediction_schema())
    with pytest.raises(ValueError, match="items"):
        fastavro.schemaless_writer(io.BytesIO(), schema, {name: v for name, v in PREDICTION.items() if name != "items"})
