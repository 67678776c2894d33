import json
from typing import Any

from streams.schema.documents.avro_schema import FILE, prediction_schema, text
from streams.schema.documents.json_schema import schemas

JSON_TYPES = {"string": "string", "long": "integer", "double": "number"}


def test_the_file_is_that_of_the_type() -> None:
    assert FILE.read_text(encoding="utf-8") == text(prediction_schema())


def test_it_says_what_the_json_schema_says() -> None:
    _compare(prediction_schema(), schemas()["interest-prediction"]["$defs"], "Prediction")


def _compare(record: dict[str, Any], definitions: dict[str, Any], name: str) -> None:
    definition = definitions[name]
    assert record["name"] == name
    assert [field["name"] for field in record["fields"]] == list(definition["properties"])
    for field in record["fields"]:
        of_json = definition["properties"][field["name"]]
        kind = field["type"]
        # Both formats leave out what is not set, but one that is always written must be there.
        assert (field["name"] in definition["required"]) or isinstance(kind, list) or field["name"] == "schema_version"
        if isinstance(kind, list):
            null, kind = kind
            assert (null, field["default"]) == ("null", None)
        assert field.get("doc") == of_json.get("description")
        if isinstance(kind, str):
            assert JSON_TYPES[kind] == of_json["type"]
        elif kind["type"] == "array":
            assert of_json["type"] == "array"
            if isinstance(kind["items"], str):
                assert JSON_TYPES[kind["items"]] == of_json["items"]["type"]
            else:
                assert of_json["items"] == {"$ref": f"#/$defs/{kind['items']['name']}"}
                _compare(kind["items"], definitions, kind["items"]["name"])
        elif kind["type"] == "map":
            assert JSON_TYPES[kind["values"]] == of_json["additionalProperties"]["type"]
        else:
            reference = json.dumps(of_json)
            assert f'"#/$defs/{kind["name"]}"' in reference
            _compare(kind, definitions, kind["name"])
