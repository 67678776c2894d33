"""Protobuf payloads to JSON text.

Unlike Protobuf's own JSON: fields keep their names, whole numbers stay numbers, Timestamp is epoch ms, values of enums
go without the prefix of their type, and those that no field tells from unset ones are written out unless UNSPECIFIED.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from streams.errors import Rejected
from streams.schema.parsing.times import SECONDS_BELOW

Convert = Callable[[Any], object]

_encode: Final = msgspec.json.Encoder().encode
_MAX_DEPTH: Final = 100  # of nested message types
_WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


class ProtobufDecoder:
    """Decodes the payloads that the messages of one schema wrote."""

    def __init__(self, file: FileDescriptor) -> None:
        self._file = file
        self._messages: dict[tuple[int, ...], tuple[Callable[[bytes], Message], Convert]] = {}
        self._converters: dict[str, Convert] = {}

    def to_json(self, payload: bytes) -> bytes:
        """The payload, which begins with the message indexes, as JSON text. Raises Rejected."""
        try:
            path, begin = message_indexes(payload)
            message = self._messages.get(path)
            if message is None:
                message = self._messages[path] = self._message(path)
            parse, convert = message
            return _encode(convert(parse(payload[begin:])))
        except Exception as error:  # protobuf raises whatever Python does
            cause = error or type(error).__name__
            raise Rejected("schema_mismatch", f"is not of its Protobuf schema: {cause}") from error

    def _message(self, path: tuple[int, ...]) -> tuple[Callable[[bytes], Message], Convert]:
        nested: Sequence[Descriptor] = list(self._file.message_types_by_name.values())
        descriptor = None
        for index in path:
            if not 0 <= index < len(nested):
                raise ValueError(f"it has no message with the indexes {list(path)}")
            descriptor = nested[index]
            nested = descriptor.nested_types
        if descriptor is None:
            raise ValueError("no message index is given")
        return GetMessageClass(descriptor).FromString, self._converter(descriptor)

    def _converter(self, descriptor: Descriptor) -> Convert:
        """What makes a plain value of the type's messages."""
        name = descriptor.full_name
        if name == "google.protobuf.Timestamp":
            return _epoch_ms
        if name in _WRAPPERS:
            return _wrapped
        if name.startswith("google.protobuf."):
            return MessageToDict
        if name == "confluent.type.Decimal":
            return _decimal
        if name not in self._converters:
            fields = _MessageFields()
            self._converters[name] = fields  # first: the type may contain itself
            for field in descriptor.fields:
                self._add(fields, field)
        return self._converters[name]

    def _add(self, fields: _MessageFields, field: FieldDescriptor) -> None:
        value_field, entry = field, field.message_type
        is_map = entry is not None and entry.GetOptions().map_entry
        if entry is not None and is_map:
            value_field = entry.fields_by_name["value"]
        convert: Convert | None = None
        if value_field.message_type is not None:
            convert = self._converter(value_field.message_type)
        elif value_field.enum_type is not None:
            names = enum_names(value_field.enum_type)
            convert = _enum_converter(names)
            if not (field.is_repeated or field.has_presence) and names[0] is not None:
                fields.zeros[field.name] = names[0]
        if is_map:
            convert = _map_converter(convert)
        elif field.is_repeated:
            convert = _list_converter(convert)
        fields.converters[field.number] = field.name, convert


class _MessageFields:
    """Converts messages of one type to objects."""

    def __init__(self) -> None:
        self.converters: dict[int, tuple[str, Convert | None]] = {}
        self.zeros: dict[str, object] = {}
        """The first value of each enum field that no message tells from an unset one"""

    def __call__(self, message: Message) -> dict[str, object]:
        """The fields that are set, and the zeros of enums; None where the enum says that it is not."""
        values = self.zeros.copy()
        converters = self.converters
        for field, value in message.ListFields():
            if (known := converters.get(field.number)) is not None:  # an extension is not
                name, convert = known
                values[name] = value if convert is None else convert(value)
        return values


def message_indexes(payload: bytes) -> tuple[tuple[int, ...], int]:
    """Indexes of the message's type, outermost first, and where the message begins. Raises ValueError."""
    if payload[:1] == b"\0":  # the first of the schema, most often
        return (0,), 1
    count, begin = _varint(payload, 0)
    if not 0 < count <= _MAX_DEPTH:
        raise ValueError(f"it begins with {count} message indexes")
    indexes = []
    for _ in range(count):
        index, begin = _varint(payload, begin)
        indexes.append(index)
    return tuple(indexes), begin


def _varint(payload: bytes, begin: int) -> tuple[int, int]:
    """A number in zigzag encoding, and where it ends."""
    number = shift = 0
    for position in range(begin, min(begin + 5, len(payload))):
        number |= (payload[position] & 0x7F) << shift
        shift += 7
        if payload[position] < 0x80:
            return (number >> 1) ^ -(number & 1), position + 1
    raise ValueError("its message indexes have no end")


def enum_names(enum: EnumDescriptor) -> dict[int, str | None]:
    """The names of the values without the prefix that they share with their type; None for 0 that means unset."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum.name).upper() + "_"
    is_shared = all(re.match(re.escape(prefix) + "[A-Za-z_]", value.name) for value in enum.values)
    names: dict[int, str | None] = {}
    for value in enum.values:  # of aliases the first
        names.setdefault(value.number, value.name.removeprefix(prefix) if is_shared else value.name)
    if (zero := names.get(0)) is not None and zero.endswith("UNSPECIFIED"):
        names[0] = None
    return names


def _enum_converter(names: dict[int, str | None]) -> Convert:
    return lambda number: names.get(number, number)


def _list_converter(convert: Convert | None) -> Convert:
    return list if convert is None else lambda values: [convert(value) for value in values]


def _map_converter(convert: Convert | None) -> Convert:
    return lambda entries: {str(key): value if convert is None else convert(value) for key, value in entries.items()}


def _epoch_ms(timestamp: Any) -> object:
    """As ISO-8601 where the decoder of events would take the number for seconds."""
    ms = timestamp.seconds * 1000 + timestamp.nanos // 1_000_000
    return ms if ms >= SECONDS_BELOW else timestamp.ToJsonString()


def _wrapped(wrapper: Any) -> object:
    return wrapper.value


def _decimal(decimal: Any) -> Decimal:
    return Decimal(int.from_bytes(decimal.value, signed=True)).scaleb(-decimal.scale)
