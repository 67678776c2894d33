"""The schemas of a registry by their ids, each loaded once and kept; decodes what begins with such an id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Final, Protocol

from streams.errors import Rejected
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.client import RegisteredSchema, RegistryClient
from streams.schema.parsing.wire_format import HEADER_BYTES, MAGIC, schema_id
from streams.schema.record import Record
from streams.settings.registry_section import RegistrySettings

_ASK_AGAIN_S: Final = 60.0  # about a schema that could not be had or read
_MOST_REQUESTS: Final = 8  # at once


class PayloadDecoder(Protocol):
    """Decodes what one schema wrote."""

    def to_json(self, payload: bytes) -> bytes:
        """The payload as JSON text. Raises Rejected."""


class JsonDecoder:
    """JSON Schema: its payloads are JSON already."""

    def to_json(self, payload: bytes) -> bytes:
        """The payload itself."""
        return payload


class SchemaRegistry:
    """Decodes by schemas that `load` has fetched; `load` may be awaited for every batch, as it asks for none twice."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.client = RegistryClient(settings)
        self._decoders: dict[int, PayloadDecoder] = {}
        self._unusable: dict[int, tuple[Rejected, float]] = {}  # id → why, and when to ask again
        self._requests = asyncio.Semaphore(_MOST_REQUESTS)

    async def load(self, records: Iterable[Record]) -> None:
        """Fetches the schemas of keys and values that are not here yet.

        Raises RegistryError where the registry does not answer.
        """
        decodable = [record for record in records if not isinstance(record, UndecodableRecord)]
        await self.load_parts([part for record in decodable for part in (record.key, record.value)])

    async def load_parts(self, parts: Iterable[bytes | None]) -> None:
        """The same for keys and values alone."""
        now_s = time.monotonic()
        ids = {
            int.from_bytes(part[1:HEADER_BYTES])
            for part in parts
            if part is not None and part[:1] == MAGIC and len(part) >= HEADER_BYTES
        }
        missing = [
            schema_id
            for schema_id in ids
            if schema_id not in self._decoders
            and (schema_id not in self._unusable or self._unusable[schema_id][1] <= now_s)
        ]
        if missing:
            self._unusable = {known: entry for known, entry in self._unusable.items() if entry[1] > now_s}
            await asyncio.gather(*map(self._load, missing))

    def to_json(self, framed: bytes) -> bytes:
        """The JSON text of a key or value whose schema is loaded. Raises Rejected."""
        writer_id = schema_id(framed)
        decoder = self._decoders.get(writer_id)
        if decoder is None:
            raise self._unusable[writer_id][0]
        try:
            return decoder.to_json(framed[HEADER_BYTES:])
        except Rejected as error:
            raise Rejected(error.code, f"schema id {writer_id}: {error.message}") from error

    async def _load(self, wanted: int) -> None:
        async with self._requests:
            try:
                schema = await self.client.schema(wanted)
                references = {name: text async for name, text in self._references(schema, {})}
                self._decoders[wanted] = await asyncio.to_thread(_decoder, schema, references)
            except Rejected as error:
                if error.code != "unknown_schema_id":
                    error = Rejected(error.code, f"schema id {wanted}: {error.message}")
                self._unusable[wanted] = error, time.monotonic() + _ASK_AGAIN_S

    async def _references(self, schema: RegisteredSchema, seen: dict[str, str]) -> AsyncIterator[tuple[str, str]]:
        """Name and text of each referenced schema, those that it refers to before it."""
        for reference in schema.references:
            if reference.name in seen:
                continue
            seen[reference.name] = reference.subject
            referenced = await self.client.version(reference.subject, reference.version)
            async for inner in self._references(referenced, seen):
                yield inner
            yield reference.name, referenced.text


def _decoder(schema: RegisteredSchema, references: dict[str, str]) -> PayloadDecoder:
    """Imports what the type needs, and may compile: to be called outside of the event loop."""
    match schema.schema_type:
        case "JSON":
            return JsonDecoder()
        case "AVRO":
            from streams.registry.avro import AvroDecoder

            return AvroDecoder(schema.text, references.values())
        case "PROTOBUF":
            from streams.registry.protobuf import ProtobufDecoder
            from streams.registry.protobuf_schema import file_descriptor

            return ProtobufDecoder(file_descriptor(schema.text, references))
        case unknown:
            raise Rejected("unusable_schema", f"is {unknown}: only AVRO, PROTOBUF and JSON are read")
