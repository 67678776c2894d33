import pytest

from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import ItemUpsert
from streams.schema.parsing.field_map import FieldMap, look_up, parse_path
from streams.settings.sections import EventSettings
from tests.unit.streams.decoding import CLICK, events_of, record, user_event, user_events

OURS = {
    "header": {"at": "2024-11-18T03:20:00Z", "ids": ["n-1", "n-2"]},
    "who": {"id": "u1", "visit": 12},
    "what": {"kind": "Trailer Watched", "films": [{"no": 77, "stars": "4.5"}], "note": "good"},
}
SETTINGS = EventSettings(
    map={
        "user": "who.id",
        "session": "who.visit",
        "item": "what.films[0].no",
        "value": "what.films.0.stars",
        "type": "what.kind",
        "time": "header.at",
        "text": "what.note",
        "event_id": "header.ids[1]",
    },
    types={"trailer watched": "view"},
)


def test_a_schema_of_ones_own_is_read_by_its_paths() -> None:
    event = user_event(OURS, rules=SchemaRules.of(SETTINGS))
    assert (event.user_id, event.item_id, event.event_type, event.time_ms) == ("u1", "77", "view", 1_731_900_000_000)
    assert (event.value, event.text, event.session_id, event.event_id) == (4.5, "good", "12", "n-2")


def test_without_a_map_the_reason_says_how_to_make_one() -> None:
    _, rejected = decode(record(OURS))
    assert rejected is not None
    assert rejected.message.endswith('give its path in interest.toml: [events.map] type = "path.to.it"')


def test_a_path_that_leads_to_nothing_is_named() -> None:
    paths = SETTINGS.map | {"user": "who.number"}
    _, rejected = decode(record(OURS), rules=SchemaRules(FieldMap(paths)))
    assert rejected is not None
    assert str(rejected) == "missing_field: user_id is missing; nothing is found by [events.map] user = 'who.number'"
    _, rejected = decode(record(OURS | {"header": {}}), rules=SchemaRules(FieldMap({"type": "what.kind"})))
    assert rejected is not None
    assert rejected.message.endswith('[events.map] user = "path.to.it"')


def test_canonical_records_are_read_beside_it_and_the_map_goes_first() -> None:
    assert user_event(CLICK, rules=SchemaRules.of(SETTINGS)) == user_event(CLICK)
    rules = SchemaRules(FieldMap({"value": "properties.price"}))
    assert user_event(CLICK | {"value": 1, "properties": {"price": 5}}, rules=rules).value == 5.0
    assert user_event(CLICK | {"value": 1}, rules=rules).value == 1.0


def test_of_several_events_the_map_completes_each() -> None:
    rules = SchemaRules(FieldMap({"item": "properties.main", "session": "context.visit"}))
    order = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "timestamp": 1_731_900_000,
        "context": {"visit": "v-4"},
        "properties": {"main": "x", "products": [{"product_id": "a"}, {"product_id": None}]},
    }
    events = user_events(order, rules=rules)
    assert [(event.item_id, event.session_id) for event in events] == [("a", "v-4"), ("x", "v-4")]


def test_each_element_of_an_array_and_the_payload_of_kafka_connect_are_mapped() -> None:
    rules = SchemaRules.of(SETTINGS)
    assert len(user_events([OURS, OURS], rules=rules)) == 2
    assert user_event({"schema": None, "payload": OURS}, rules=rules) == user_event(OURS, rules=rules)


def test_items_are_described_by_a_map_too() -> None:
    rules = SchemaRules(FieldMap({"type": "op", "item": "sku", "title": "name", "categories": "path"}))
    value = {"op": "item.upsert", "sku": 5, "name": "Lamp", "path": ["Home", "Light"]}
    assert events_of(value, rules=rules) == [ItemUpsert(item_id="5", title="Lamp", categories=("Home", "Light"))]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a[0].b", ("a", 0, "b")),
        ("a.0.b", ("a", "0", "b")),
        ("[2][10]", (2, 10)),
        ("$a.b-c", ("$a", "b-c")),
    ],
)
def test_paths_are_names_and_indexes(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["a.b.c", "list[2]", "list[9]", "list.x", "text.x", "a[0]", "nothing"])
def test_a_path_that_leads_nowhere_gives_nothing(text: str) -> None:
    value = {"a": {"b": 1}, "list": [1, 2], "text": "x"}
    assert look_up(value, parse_path(text)) is None


def test_a_field_whose_name_holds_dots_is_found_by_its_whole_name() -> None:
    rules = SchemaRules(FieldMap({"session": "user.session"}))
    assert user_event(CLICK | {"user.session": "s"}, rules=rules).session_id == "s"
