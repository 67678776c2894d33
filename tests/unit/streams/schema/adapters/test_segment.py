from typing import Any

import pytest

from streams.schema.decoder import decode
from tests.unit.streams.decoding import record, rejection, user_event, user_events

TRACK: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "u1",
    "anonymousId": "device-4",
    "messageId": "ajs-31",
    "originalTimestamp": "2024-11-18T03:19:58Z",
    "timestamp": "2024-11-18T03:20:00.250Z",
    "context": {"library": {"name": "analytics.js"}, "sessionId": 1_731_899_000},
    "properties": {"product_id": "mug-12", "sku": "M-12", "price": "18.99", "currency": "EUR"},
}


def test_a_track_call_is_an_event_of_its_product() -> None:
    event = user_event(TRACK)
    assert (event.event_type, event.item_id, event.event_id) == ("view", "mug-12", "ajs-31")
    assert (event.time_ms, event.value, event.session_id) == (1_731_900_000_250, 18.99, "1731899000")


def test_an_order_is_a_purchase_of_each_product() -> None:
    products = [{"product_id": "mug-12", "price": 18, "quantity": 2}, {"sku": "T-4", "price": 5.5}, {"sku": ""}]
    message = TRACK | {"event": "Order Completed", "properties": {"total": 41.5, "products": products}}
    _, rejected = decode(record(message))
    assert "event 2 of 3: missing_field: a purchase needs an item_id" in str(rejected)
    first, second = user_events(message | {"properties": {"products": products[:2]}})
    assert (first.event_type, first.item_id, first.value, first.event_id) == ("purchase", "mug-12", 18, "ajs-31:0")
    assert (second.event_type, second.item_id, second.value, second.event_id) == ("purchase", "T-4", 5.5, "ajs-31:1")


def test_a_list_that_was_only_viewed_is_one_impression() -> None:
    products = [{"product_id": "mug-12"}, {"product_id": "cup-7"}]
    event = user_event(TRACK | {"event": "Product List Viewed", "properties": {"products": products}})
    assert (event.event_type, event.item_id, event.impression) == ("impression", "mug-12", ("mug-12", "cup-7"))


def test_a_search_and_a_review_keep_their_text() -> None:
    search = user_event(TRACK | {"event": "Products Searched", "properties": {"query": "blue mug"}})
    assert (search.event_type, search.text, search.item_id) == ("search", "blue mug", None)
    words = {"product_id": "mug-12", "review_body": "Fine handle", "rating": "5"}
    review = user_event(TRACK | {"event": "Product Reviewed", "properties": words})
    assert (review.event_type, review.text, review.value) == ("review", "Fine handle", 5.0)


def test_a_page_and_a_screen_are_views() -> None:
    page = TRACK | {"type": "page", "event": None, "name": "Docs", "properties": {"path": "/docs", "title": "Docs"}}
    assert (user_event(page).event_type, user_event(page).item_id) == ("view", "/docs")
    assert user_event(page | {"properties": {"url": "https://x.example/a/b?utm=1#top"}}).item_id == "/a/b"
    assert user_event(page | {"type": "screen", "properties": {}}).item_id == "Docs"
    assert rejection(page | {"properties": {"url": "https://[bad"}}).code == "missing_field"


@pytest.mark.parametrize("call", ["identify", "group", "alias"])
def test_calls_that_describe_users_are_left_out(call: str) -> None:
    assert user_events({"type": call, "userId": "u1", "messageId": "m", "traits": {"plan": "pro"}}) == []


def test_the_user_is_the_id_that_is_the_key() -> None:
    assert user_event(TRACK, key=b"device-4").user_id == "device-4"
    assert user_event({name: value for name, value in TRACK.items() if name != "userId"}, key=b"device-4").user_id
    assert rejection(TRACK, key=b"other").code == "key_mismatch"


@pytest.mark.parametrize("name", ["user.delete", "item.delete", "item.upsert"])
def test_a_browser_cannot_send_control_records(name: str) -> None:
    assert rejection(TRACK | {"event": name}).code == "wrong_type"


def test_rudderstack_has_its_original_time_only() -> None:
    event = user_event(
        {
            "type": "track",
            "channel": "web",
            "event": "Product Added",
            "anonymousId": "u1",
            "messageId": "rs-2",
            "originalTimestamp": "2024-11-18T03:20:01.000Z",
            "context": {"sessionId": 17},
            "properties": {"product_id": 881, "quantity": 1},
        }
    )
    assert (event.event_type, event.item_id, event.time_ms) == ("add_to_cart", "881", 1_731_900_001_000)
