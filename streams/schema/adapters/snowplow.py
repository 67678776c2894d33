"""Snowplow's enriched events ("Enriched stream TSV file format", "Ecommerce events"), also as its SDKs' JSON.

An ecommerce action is an event of its type, once for each product entity; a page view without products is a view of
the page. Page pings are left out, and so is a legacy transaction, whose items follow as events of their own.
"""

import re
from typing import Any, Final

from streams.schema.adapters.adapter import (
    PROPERTY_IDS,
    PROPERTY_VALUES,
    Adapter,
    Canonical,
    Fields,
    Headers,
    as_object,
    as_objects,
    first,
    page_of,
    per_product,
    user_of,
)
from streams.schema.parsing.json_text import parse_nested
from streams.schema.record import Record

_TSV_COLUMNS: Final = {  # those that are read, of 131
    3: "collector_tstamp",
    4: "dvce_created_tstamp",
    5: "event",
    6: "event_id",
    12: "user_id",
    15: "domain_userid",
    17: "network_userid",
    29: "page_url",
    35: "page_urlpath",
    52: "contexts",
    54: "se_action",
    57: "se_value",
    58: "unstruct_event",
    68: "ti_sku",
    71: "ti_price",
    123: "domain_sessionid",
    124: "derived_tstamp",
    126: "event_name",
    130: "true_tstamp",
}
_TSV_WIDTH: Final = 131
_IGLU: Final = re.compile(r"iglu:([^/]+)/([^/]+)/[^/]+/(\d+)-")
_PRODUCTS: Final = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_"
_ACTION: Final = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_"
_UNSTRUCT: Final = "unstruct_event_"


def from_tsv(value: bytes) -> Fields | None:
    """The fields of a line of the enriched stream, under the names of the JSON; None where it is no such line."""
    if value[:1] in (b"{", b"[") or value.count(b"\t") != _TSV_WIDTH - 1:
        return None
    cells = value.decode(errors="replace").rstrip("\r\n").split("\t")
    fields: dict[str, Any] = {name: cells[column] for column, name in _TSV_COLUMNS.items() if cells[column]}
    for entity in as_objects(as_object(parse_nested(fields.pop("contexts", None))).get("data")):
        fields.setdefault(_name("contexts", entity), []).append(entity.get("data"))
    described = as_object(as_object(parse_nested(fields.pop("unstruct_event", None))).get("data"))
    if described:
        fields[_name("unstruct_event", described)] = described.get("data")
    return fields


def _name(prefix: str, self_describing: Fields) -> str:
    """`contexts` and iglu:com.acme/product/jsonschema/1-0-0 → contexts_com_acme_product_1."""
    schema = self_describing.get("schema")
    match = _IGLU.match(schema) if isinstance(schema, str) else None
    if match is None:
        return prefix
    vendor, name, model = match.groups()
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{prefix}_{vendor.replace('.', '_').lower()}_{snake.replace('-', '_')}_{model}"


def _matches(fields: Fields, headers: Headers) -> bool:
    return "event_id" in fields and "event" in fields and "collector_tstamp" in fields


def _events(fields: Fields, record: Record) -> list[Canonical]:
    kind = fields["event"]
    products = [product for name in fields if name.startswith(_PRODUCTS) for product in as_objects(fields[name])]
    if kind == "page_ping" or (kind == "transaction" and not products):
        return []
    action = next((as_object(fields[name]) for name in fields if name.startswith(_ACTION)), {})
    described = next((as_object(fields[name]) for name in fields if name.startswith(_UNSTRUCT)), {})
    event: Canonical = {
        "user_id": user_of(record, fields.get("user_id"), fields.get("domain_userid"), fields.get("network_userid")),
        "event_type": first(action, "type") or first(fields, "se_action", "event_name") or kind,
        "event_id": fields["event_id"],
        "timestamp": first(fields, "true_tstamp", "derived_tstamp", "dvce_created_tstamp", "collector_tstamp"),
        "session_id": fields.get("domain_sessionid"),
        "item_id": first(fields, "ti_sku") or first(described, *PROPERTY_IDS),
        "value": first(fields, "ti_price", "se_value") or first(described, *PROPERTY_VALUES),
        "properties": described,
    }
    if kind == "page_view" and event["item_id"] is None:
        event["item_id"] = first(fields, "page_urlpath") or page_of(fields.get("page_url"))
    return per_product(event, products)


ADAPTER: Final = Adapter("Snowplow", _matches, _events)
