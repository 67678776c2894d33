from typing import Any

from tests.unit.streams.decoding import rejection, user_event, user_events


def parameter(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": {"string_value": None, "int_value": None} | value}


ROW: dict[str, Any] = {
    "event_date": "20241118",
    "event_timestamp": "1731900000123456",  # BigQuery writes INT64 as a string
    "event_name": "add_to_cart",
    "user_id": None,
    "user_pseudo_id": "u1",
    "event_params": [
        parameter("ga_session_id", int_value="1731899000"),
        parameter("page_location", string_value="https://shop.example/lamps/3?ref=ad"),
        parameter("value", double_value=30.0),
    ],
    "items": [{"item_id": "lamp-3", "item_name": "Lamp", "price": 15.0, "quantity": "2"}],
}


def test_a_row_is_an_event_of_its_item() -> None:
    event = user_event(ROW)
    assert (event.event_type, event.item_id, event.value) == ("add_to_cart", "lamp-3", 15.0)
    assert (event.time_ms, event.session_id) == (1_731_900_000_123, "1731899000")


def test_a_purchase_is_one_of_each_item() -> None:
    items = [{"item_id": "lamp-3", "price": 15}, {"item_id": "bulb-1"}]
    events = user_events(ROW | {"event_name": "purchase", "items": items})
    assert [(event.event_type, event.item_id) for event in events] == [("purchase", "lamp-3"), ("purchase", "bulb-1")]


def test_a_list_view_is_an_impression() -> None:
    items = [{"item_id": "lamp-3"}, {"item_id": "bulb-1"}]
    event = user_event(ROW | {"event_name": "view_item_list", "items": items})
    assert (event.event_type, event.impression) == ("impression", ("lamp-3", "bulb-1"))


def test_pages_and_screens_are_views() -> None:
    page = user_event(ROW | {"event_name": "page_view", "items": []})
    assert (page.event_type, page.item_id) == ("view", "/lamps/3")
    screens = [parameter("firebase_screen", string_value="Home")]
    assert user_event(ROW | {"event_name": "screen_view", "items": [], "event_params": screens}).item_id == "Home"
    assert rejection(ROW | {"event_name": "page_view", "items": [], "event_params": None}).code == "missing_field"


def test_a_search_has_its_term() -> None:
    term = [parameter("search_term", string_value="desk lamp")]
    event = user_event(ROW | {"event_name": "search", "items": [], "event_params": term})
    assert (event.event_type, event.text) == ("search", "desk lamp")


def test_the_user_is_the_id_that_is_the_key() -> None:
    assert user_event(ROW | {"user_id": "account-8"}).user_id == "u1"
    assert user_event(ROW | {"user_id": "account-8"}, key=b"account-8").user_id == "account-8"
