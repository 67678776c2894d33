from typing import Any

import pytest

from tests.unit.streams.decoding import NOW, rejection, user_event, user_events

UPLOADED: dict[str, Any] = {
    "user_id": "u1",
    "device_id": "d4",
    "event_type": "Product Added",
    "time": NOW,
    "session_id": 1731899000000,
    "insert_id": "a-1",
    "event_properties": {"product_id": "cd-4", "price": 9.5},
    "user_properties": {"plan": "pro"},
}
EXPORTED: dict[str, Any] = {
    "user_id": "u1",
    "event_type": "[Amplitude] Page Viewed",
    "event_time": "2024-11-18 03:20:00.123000",
    "event_id": 17,
    "session_id": -1,
    "$insert_id": "b-2",
    "event_properties": {"[Amplitude] Page Path": "/posts/7"},
}


def test_an_uploaded_event_has_its_product() -> None:
    event = user_event(UPLOADED)
    assert (event.user_id, event.event_type, event.item_id, event.value) == ("u1", "add_to_cart", "cd-4", 9.5)
    assert (event.time_ms, event.event_id, event.session_id) == (NOW, "a-1", "1731899000000")
    revenue = {"event_properties": {}, "productId": "p2", "revenue": 4, "event_type": "purchase"}
    event = user_event(UPLOADED | revenue)
    assert (event.item_id, event.value) == ("p2", 4.0)


def test_an_exported_page_view_is_a_view_of_the_page() -> None:
    event = user_event(EXPORTED)
    assert (event.event_type, event.item_id, event.event_id) == ("view", "/posts/7", "b-2")
    assert (event.time_ms, event.session_id) == (1_731_900_000_123, None)


def test_an_upload_is_several_events() -> None:
    upload = {"api_key": "k", "events": [UPLOADED, {"event_type": "$identify", "user_id": "u1"}, EXPORTED]}
    assert [event.item_id for event in user_events(upload)] == ["cd-4", "/posts/7"]


def test_the_user_is_the_id_that_is_the_key() -> None:
    assert user_event(UPLOADED, key=b"d4").user_id == "d4"


@pytest.mark.parametrize("name", ["$identify", "$groupidentify"])
def test_calls_that_describe_users_are_left_out(name: str) -> None:
    assert user_events(UPLOADED | {"event_type": name}) == []


def test_a_browser_cannot_send_control_records() -> None:
    assert rejection(UPLOADED | {"event_type": "user.delete"}).code == "wrong_type"
