"""Avro schema of predictions, from their type, as JSON Schema is.

`python -m streams.schema.documents.avro_schema` writes its file.
"""

import json
from pathlib import Path
from typing import Any, Final

from msgspec import NODEFAULT, inspect

from streams.schema.predictions import Prediction

FILE: Final = Path(__file__).parents[1] / "avro" / "interest-prediction.avsc"
_NAMESPACE: Final = "interest.stream"


def prediction_schema() -> dict[str, Any]:
    """The schema of a value of `interest-predictions`."""
    schema = _record(inspect.type_info(Prediction))
    return {"type": "record", "name": schema.pop("name"), "namespace": _NAMESPACE, **schema}


def text(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _record(info: inspect.Type) -> dict[str, Any]:
    assert isinstance(info, inspect.StructType)
    return {
        "type": "record",
        "name": info.cls.__name__,
        "doc": str(info.cls.__doc__),
        "fields": [_field(field) for field in info.fields],
    }


def _field(field: inspect.Field) -> dict[str, Any]:
    described: dict[str, Any] = {"name": field.encode_name, "type": _type(field.type)}
    if isinstance(field.type, inspect.Metadata) and "description" in (field.type.extra_json_schema or {}):
        described["doc"] = (field.type.extra_json_schema or {})["description"]
    if not field.required and field.default is NODEFAULT:  # one that may be left out
        described |= {"type": ["null", described["type"]], "default": None}
    return described


def _type(info: inspect.Type) -> Any:
    match info:
        case inspect.Metadata():
            return _type(info.type)
        case inspect.StrType():
            return "string"
        case inspect.IntType():
            return "long"
        case inspect.FloatType():
            return "double"
        case inspect.ListType():
            return {"type": "array", "items": _type(info.item_type)}
        case inspect.DictType():
            return {"type": "map", "values": _type(info.value_type)}
        case inspect.StructType():
            return _record(info)
    raise TypeError(f"predictions have no field of type {info}")


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(prediction_schema()), encoding="utf-8")
