"""Predictions as they lie in their topic, in JSON or in Avro."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streams.errors import Rejected, StreamError
from streams.registry.connection import connect_registry
from streams.schema.parsing.wire_format import is_framed, wire_format_hint
from streams.schema.predictions import Prediction, decode
from streams.settings.registry_section import RegistrySettings

if TYPE_CHECKING:
    from streams.registry.schema_registry import SchemaRegistry


class PredictionReader:
    """Decodes values of the prediction topic; connects to the registry for the first one that needs it."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._registry: SchemaRegistry | None = None

    async def json(self, value: bytes) -> bytes:
        """The JSON text of a value. Raises StreamError if it cannot be had."""
        if not is_framed(value) or not self._settings.url:
            return value
        if self._registry is None:
            self._registry = await connect_registry(self._settings)
        assert self._registry is not None
        await self._registry.load_parts([value])
        try:
            return self._registry.to_json(value)
        except Rejected as error:
            raise StreamError(f"a record of the prediction topic cannot be decoded: {error}") from error

    async def read(self, value: bytes) -> Prediction:
        """The decoded prediction. Raises StreamError if the value is not one."""
        try:
            return decode(await self.json(value))
        except msgspec.MsgspecError as error:
            hint = wire_format_hint(value)
            raise StreamError(f"a record of the prediction topic cannot be decoded: {error}{hint}") from error
