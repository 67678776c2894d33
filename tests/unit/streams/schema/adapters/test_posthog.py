import json
from typing import Any

import pytest

from streams.schema.decoder import SchemaRules
from streams.schema.parsing.field_map import FieldMap
from tests.unit.streams.decoding import user_event, user_events

CAPTURE: dict[str, Any] = {
    "uuid": "0192-a",
    "event": "$pageview",
    "distinct_id": "u1",
    "timestamp": "2024-11-18T03:20:00.000Z",
    "properties": {"$current_url": "https://blog.example/posts/7?x=1", "$session_id": "s-3", "article": {"id": 7}},
}


def test_a_page_view_is_a_view_of_the_page_or_of_what_a_mapping_names() -> None:
    event = user_event(CAPTURE)
    assert (event.event_type, event.item_id, event.event_id, event.session_id) == ("view", "/posts/7", "0192-a", "s-3")
    mapped = user_event(CAPTURE, rules=SchemaRules(FieldMap({"item": "properties.article.id"})))
    assert (mapped.event_type, mapped.item_id) == ("view", "7")


def test_an_event_of_ones_own_has_its_product() -> None:
    event = user_event(CAPTURE | {"event": "Product Added", "properties": {"product_id": "cd-4", "price": 9}})
    assert (event.event_type, event.item_id, event.value) == ("add_to_cart", "cd-4", 9.0)
    screen = user_event(CAPTURE | {"event": "$screen", "properties": {"$screen_name": "Home"}})
    assert (screen.event_type, screen.item_id) == ("view", "Home")


def test_a_batch_is_several_events() -> None:
    inner = {"event": "like", "properties": {"distinct_id": "u1", "item_id": "cd-4"}, "timestamp": None}
    batch = {"api_key": "phc", "batch": [CAPTURE, {"event": "$identify", "distinct_id": "u1"}, inner]}
    view, like = user_events(batch)
    assert (view.event_type, like.event_type, like.item_id) == ("view", "like", "cd-4")
    assert like.event_id == "user-events:3:991:1"


def test_exported_properties_are_a_json_string() -> None:
    exported = CAPTURE | {"properties": json.dumps(CAPTURE["properties"])}
    assert user_event(exported).item_id == "/posts/7"


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$set", "$groupidentify"])
def test_events_that_describe_users_are_left_out(name: str) -> None:
    assert user_events(CAPTURE | {"event": name}) == []


def test_what_a_browser_sends_has_its_time_and_id_in_its_properties() -> None:
    properties = {"distinct_id": "u1", "item_id": "i", "$insert_id": "b-1", "$time": 1731900000.25, "token": "phc"}
    event = user_event({"event": "like", "properties": properties, "offset": 31})
    assert (event.event_id, event.time_ms) == ("b-1", 1_731_900_000_250)
    event = user_event(CAPTURE | {"properties": properties, "event": "like"})
    assert (event.event_id, event.time_ms) == ("0192-a", 1_731_900_000_000)
