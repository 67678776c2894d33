"""JSON Schema of all records, from their types; `python -m streams.schema.documents.json_schema` writes the files."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.schema.churn import ChurnWarning
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.schema.decisions.experiment import Experiment
from streams.schema.decisions.reward import Reward
from streams.schema.events import (
    ITEM_EVENTS,
    MAX_ID_LENGTH,
    CatalogItem,
    ItemDelete,
    ItemUpsert,
    UserDelete,
    UserEvent,
    UserUpsert,
)
from streams.schema.parsing.event_types import CONTROL_TYPES
from streams.schema.predictions import Prediction
from streams.schema.quality import WorkerQuality
from streams.schema.segments import SegmentSize

FOLDER: Final = Path(__file__).parents[1] / "json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """One schema per kind of record, by file name without suffix."""
    return {
        "user-event": _one_of(
            "Value of a record of user-events", UserEvent, UserDelete, UserUpsert, ItemUpsert, ItemDelete
        ),
        "catalog-item": _one_of("Value of a record of item-catalog; null deletes the item", CatalogItem),
        "interest-prediction": _one_of("Value of a record of interest-predictions", Prediction),
        "interest-churn": _one_of("Value of a record of interest-churn", ChurnWarning),
        "interest-segment": _one_of("Value of a record of interest-segments", SegmentSize),
        "interest-quality": _one_of("Value of a record of interest-quality", WorkerQuality),
        "decision-request": _one_of("Value of a record of decision-requests", DecisionRequest, numeric_ids=False),
        "interest-decision": _one_of("Value of a record of interest-decisions", Decision, numeric_ids=False),
        "interest-reward": _one_of("Value of a record of interest-rewards", Reward, numeric_ids=False),
        "interest-experiment": _one_of(
            "Value of a record of interest-experiments; null deletes the experiment", Experiment, numeric_ids=False
        ),
    }


def text(schema: Schema) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _one_of(title: str, *types: type[msgspec.Struct], numeric_ids: bool = True) -> Schema:
    _, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        # The decoder is strict only to recognise canonical records quickly: an unknown field is never an error.
        definition.pop("additionalProperties", None)
        for field in definition["properties"].values():
            field.pop("default", None)  # a default of our types, not of the wire format
            if numeric_ids:
                _accept_numbers_as_ids(field)
        if timestamp := definition["properties"].get("timestamp"):
            timestamp["type"] = ["number", "string"]  # msgspec describes what it decodes: epoch ms
    if event := definitions.get("UserEvent"):
        event["properties"]["event_type"]["not"] = {"enum": sorted(CONTROL_TYPES)}
        event["if"] = {"properties": {"event_type": {"enum": sorted(ITEM_EVENTS)}}}
        event["then"] = {"required": ["item_id"], "properties": {"item_id": {"type": ["string", "integer"]}}}
    for name in ("ItemUpsert", "ItemDelete"):
        if name in definitions:
            definitions[name]["required"].append("event_type")  # only records of the catalog may lack it
    roots = [{"$ref": f"#/$defs/{type_.__name__}"} for type_ in types]
    return {
        "$schema": _DIALECT,
        "title": title,
        **(roots[0] if len(roots) == 1 else {"oneOf": roots}),
        "$defs": definitions,
    }


def _accept_numbers_as_ids(schema: Schema) -> None:
    if schema.get("type") == "string" and schema.get("maxLength") == MAX_ID_LENGTH:
        schema["type"] = ["string", "integer"]  # msgspec describes what it decodes: strings
    for inner in (schema.get("items"), *schema.get("anyOf", ())):
        if isinstance(inner, dict):
            _accept_numbers_as_ids(inner)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(text(schema), encoding="utf-8")
