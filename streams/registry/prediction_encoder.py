"""Predictions in Avro: their schema in the registry, and the records that it writes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastavro import parse_schema, schemaless_writer

from streams.errors import RegistryError
from streams.registry.client import RegistryClient, status_text
from streams.schema.documents.avro_schema import FILE, prediction_schema
from streams.schema.parsing.wire_format import HEADER_BYTES, MAGIC
from streams.schema.prediction_encoder import Dump

_SUFFIX: Final = "-value"  # TopicNameStrategy: one subject for the values of a topic


async def avro_dump(client: RegistryClient, topic: str, register: bool) -> Dump:
    """What writes predictions in Avro to the topic, once their schema is registered. Raises RegistryError."""
    schema_id = await _schema_id(client, topic + _SUFFIX, register)
    schema = parse_schema(prediction_schema())
    header = MAGIC + schema_id.to_bytes(HEADER_BYTES - len(MAGIC))

    def dump(prediction: Mapping[str, Any]) -> bytes:
        stream = io.BytesIO()
        stream.write(header)
        schemaless_writer(stream, schema, prediction)
        return stream.getvalue()

    return dump


async def _schema_id(client: RegistryClient, subject: str, register: bool) -> int:
    path = f"/subjects/{quote(subject, safe='')}"
    status, answer = await client.post_schema(f"{path}/versions" if register else path, json.dumps(prediction_schema()))
    if status == HTTPStatus.OK:
        return int(answer["id"])
    answered = f"the registry answers {status_text(status, answer)}"
    if not register:
        raise RegistryError(
            f"the schema of predictions is not registered under {subject}: {answered}. Register {FILE} there, or set "
            "registry.register_schemas=true"
        )
    if status == HTTPStatus.CONFLICT:
        raise RegistryError(
            f"the schema of predictions is not compatible with the one under {subject}: {answered}. Delete that one, "
            "or set topics.interest_predictions to another topic"
        )
    raise RegistryError(
        f"the schema of predictions cannot be registered under {subject}: {answered}. Register {FILE} there by other "
        "means, and set registry.register_schemas=false"
    )
