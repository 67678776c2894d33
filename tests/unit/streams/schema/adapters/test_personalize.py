import json
from typing import Any

from tests.unit.streams.decoding import rejection, user_events

REQUEST: dict[str, Any] = {
    "trackingId": "8b1c",
    "userId": "u1",
    "sessionId": "visit-7",
    "eventList": [
        {
            "eventType": "Watch",
            "itemId": "film-3",
            "sentAt": 1_731_900_000,
            "eventId": "p-1",
            "eventValue": 0.8,
            "recommendationId": "r-9",
            "impression": ["film-3", "film-5"],
            "properties": json.dumps({"device": "tv"}),
        },
        {"eventType": "Purchase", "itemId": "film-5", "sentAt": 1_731_900_030.5},
    ],
}


def test_each_event_of_the_list_is_one() -> None:
    watch, purchase = user_events(REQUEST)
    assert (watch.event_type, watch.item_id, watch.event_id, watch.value) == ("view", "film-3", "p-1", 0.8)
    assert (watch.prediction_id, watch.impression) == ("r-9", ("film-3", "film-5"))
    assert (purchase.event_type, purchase.item_id, purchase.time_ms) == ("purchase", "film-5", 1_731_900_030_500)
    assert purchase.event_id == "user-events:3:991:1"
    assert {(event.user_id, event.session_id) for event in (watch, purchase)} == {("u1", "visit-7")}


def test_before_the_login_there_is_no_user() -> None:
    request = {name: value for name, value in REQUEST.items() if name != "userId"}
    assert rejection(request).code == "missing_field"


def test_an_empty_list_holds_no_event() -> None:
    assert user_events(REQUEST | {"eventList": []}) == []
