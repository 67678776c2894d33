"""CloudEvents 1.0, binary and structured mode ("Kafka Protocol Binding for CloudEvents", "JSON Event Format").

The data is a canonical event; what it leaves out is taken from the attributes: id, type, time, and the user from the
partition key, which is the record's key. The subject may be anything.
"""

import base64
import binascii
from typing import Any, Final

from streams.errors import Rejected
from streams.schema.adapters import canonical
from streams.schema.adapters.adapter import Adapter, Canonical, Fields, Headers, as_object, record_time
from streams.schema.parsing.event_types import unqualified
from streams.schema.parsing.json_text import parse
from streams.schema.record import Record, key_id

_PREFIX: Final = "ce_"
_REQUIRED: Final = ("specversion", "id", "source", "type")


def _matches(fields: Fields, headers: Headers) -> bool:
    return bool(headers and _is_binary(headers)) or (
        "specversion" in fields and all(name in fields for name in _REQUIRED)
    )


def _is_binary(headers: Headers) -> bool:
    return any(name == "ce_specversion" for name, _ in headers)


def _events(fields: Fields, record: Record) -> list[Canonical]:
    if _is_binary(record.headers):
        attributes: dict[str, Any] = {
            name.removeprefix(_PREFIX): value.decode(errors="replace")
            for name, value in record.headers
            if name.startswith(_PREFIX) and value is not None
        }
        data = fields
    else:
        attributes, data = dict(fields), _data(fields)
    (event,) = canonical.events(data, record)
    event_type = attributes.get("type")
    from_attributes = {
        "event_id": attributes.get("id"),
        "event_type": unqualified(event_type) if isinstance(event_type, str) else event_type,
        "timestamp": attributes.get("time") or record_time(record),
        "user_id": attributes.get("partitionkey") if record.key is None else key_id(record.key),
    }
    return [event | {name: value for name, value in from_attributes.items() if event.get(name) is None}]


def _data(fields: Fields) -> Fields:
    encoded = fields.get("data_base64")
    if not isinstance(encoded, str):
        return as_object(fields.get("data"))
    try:
        return as_object(parse(base64.b64decode(encoded)))
    except (binascii.Error, ValueError):
        raise Rejected("not_json", "data_base64: is not base64") from None


ADAPTER: Final = Adapter("CloudEvents", _matches, _events, may_control=True)
