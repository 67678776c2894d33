"""Formats of the records that a worker reads and writes: JSON, or those of a schema registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from streams.errors import SettingsError
from streams.registry.connection import connect_registry
from streams.schema.parsing.wire_format import Transcoder
from streams.schema.prediction_encoder import Dump
from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class RecordFormats:
    """What reads Confluent's wire format, and what writes predictions."""

    registry: Transcoder | None = None
    dump_prediction: Dump = orjson.dumps


JSON_ALONE: Final = RecordFormats()


async def connect_formats(settings: Settings) -> RecordFormats:
    """The formats that the settings ask for, once their registry answers. Raises RegistryError, SettingsError."""
    registry = await connect_registry(settings.registry)
    if settings.predictions.format == "json":
        return RecordFormats(registry)
    if registry is None:
        raise SettingsError(["predictions.format=avro needs registry.url, the registry that keeps its schema"])
    from streams.registry.prediction_encoder import avro_dump

    topic = settings.topics.interest_predictions
    return RecordFormats(registry, await avro_dump(registry.client, topic, settings.registry.register_schemas))
