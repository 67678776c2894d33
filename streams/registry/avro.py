"""Avro payloads to JSON text, by fastavro.

Times become epoch ms, other logical types what JSON has for them: decimals and UUIDs as strings, dates and times in
ISO-8601, bytes in base64. Fields that are null are left out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from fastavro import _read_py, parse_schema, schemaless_reader
from fastavro.read import LOGICAL_READERS

from streams.errors import Rejected
from streams.schema.parsing.times import SECONDS_BELOW

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode: Final = msgspec.json.Encoder().encode


def _time_reader(per_ms: int, ms_per: int = 1) -> Callable[..., object]:
    """Reads a time as epoch ms; as ISO-8601 where the decoder of events would take the number for seconds."""

    def read(time: int, *_: object) -> object:
        ms = time * ms_per // per_ms
        return ms if ms >= SECONDS_BELOW else (_EPOCH + timedelta(milliseconds=ms)).isoformat()

    return read


def _read_uuid(data: bytes, *_: object) -> UUID:
    return UUID(bytes=data)


# Under names of our own, which this module puts into schemas, so that nobody else's are changed.
_OURS: Final = "interest-"
LOGICAL_READERS |= {
    f"{kind}-{_OURS}{name}": reader
    for kind, name, reader in (
        ("long", "timestamp-millis", _time_reader(1)),
        ("long", "timestamp-micros", _time_reader(1000)),
        ("long", "timestamp-nanos", _time_reader(1_000_000)),
        ("fixed", "uuid", _read_uuid),
    )
}
_RENAMED: Final = {
    **{(f"{prefix}timestamp-{unit}", "long"): f"{_OURS}timestamp-{unit}"
       for prefix in ("", "local-") for unit in ("millis", "micros", "nanos")},
    ("uuid", "fixed"): f"{_OURS}uuid",
}  # fmt: skip


class AvroDecoder:
    """Decodes the payloads that one schema wrote."""

    def __init__(self, text: str, references: Iterable[str] = ()) -> None:
        """Prepare to read by the schema; referenced schemas come after those that they refer to.

        Raises Rejected where the schema cannot be read.
        """
        named: dict[str, Any] = {}
        try:
            for part in (*references, text):
                self._schema = parse_schema(_renamed(json.loads(part)), named)
                _check_arrays(self._schema, named)
            is_recursive = _is_recursive(self._schema, named)
        except Exception as error:  # fastavro raises whatever Python does
            raise Rejected("unusable_schema", f"its Avro schema cannot be read: {error}") from error
        # The compiled reader has no bound on its depth: a recursive record would end the process.
        self._read = _read_py.schemaless_reader if is_recursive else schemaless_reader

    def to_json(self, payload: bytes) -> bytes:
        """The payload as JSON text. Raises Rejected."""
        stream = io.BytesIO(payload)
        try:
            value = self._read(stream, self._schema, None)
            if stream.tell() != len(payload):
                raise ValueError(f"{len(payload) - stream.tell()} bytes follow its end")
            if type(value) is dict:
                value = {name: field for name, field in value.items() if field is not None}
            return _encode(value)
        except Exception as error:  # likewise
            raise Rejected("schema_mismatch", f"is not of its Avro schema: {error or type(error).__name__}") from error


def _renamed(schema: Any) -> Any:
    """The schema with our names for the logical types that we read differently."""
    if isinstance(schema, list):
        return [_renamed(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {
        name: _renamed(value) if name in ("type", "items", "values", "fields") else value
        for name, value in schema.items()
    }
    logical_type, kind = schema.get("logicalType"), schema.get("type")
    if isinstance(logical_type, str) and isinstance(kind, str):
        renamed["logicalType"] = _RENAMED.get((logical_type, kind), logical_type)
    return renamed


def _is_recursive(schema: Any, named: Mapping[str, Any], above: tuple[str, ...] = ()) -> bool:
    """Whether a record contains another one of its type."""
    if isinstance(schema, str):
        return schema in above or (schema in named and _is_recursive(named[schema], named, above))
    if isinstance(schema, dict) and schema["type"] == "record":
        above = (*above, schema["name"])
    return any(_is_recursive(part, named, above) for part in _parts(schema))


def _check_arrays(schema: Any, named: Mapping[str, Any]) -> None:
    """Raises ValueError for an array of which a payload of some bytes can hold any number of items."""
    if isinstance(schema, dict) and schema["type"] == "array" and _is_empty(schema["items"], named):
        raise ValueError("it has an array whose items take no bytes")
    for part in _parts(schema):
        _check_arrays(part, named)


def _parts(schema: Any) -> Iterator[Any]:
    """The schemas inside of one, names of types among them."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, dict):
        yield from (schema[name] for name in ("items", "values") if name in schema)
        yield from (field["type"] for field in schema.get("fields", ()))
        if isinstance(schema["type"], dict | list):
            yield schema["type"]


def _is_empty(schema: Any, named: Mapping[str, Any]) -> bool:
    """Whether values of the type take no bytes."""
    if isinstance(schema, str):
        return schema == "null" or (schema in named and _is_empty(named[schema], named))
    if isinstance(schema, list):
        return False
    if schema["type"] == "record":
        return all(_is_empty(field["type"], named) for field in schema["fields"])
    return _is_empty(schema["type"], named) or (schema["type"] == "fixed" and not schema["size"])
