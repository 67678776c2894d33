from typing import Any

from tests.unit.streams.decoding import user_event, user_events

FEEDBACK: dict[str, Any] = {
    "FeedbackType": "star",
    "UserId": "u1",
    "ItemId": "repo:kafka",
    "Timestamp": "2024-11-18T03:20:00Z",
    "Value": 3,
    "Comment": "useful",
}


def test_a_feedback_is_an_event_of_its_type() -> None:
    event = user_event(FEEDBACK)
    assert (event.event_type, event.item_id, event.time_ms) == ("like", "repo:kafka", 1_731_900_000_000)
    assert (event.value, event.text) == (3.0, "useful")


def test_an_array_of_feedback_is_several_events() -> None:
    events = user_events([FEEDBACK, FEEDBACK | {"FeedbackType": "read", "Comment": ""}])
    assert [(event.event_type, event.text) for event in events] == [("like", "useful"), ("view", "")]


def test_the_zero_time_of_go_is_the_records() -> None:
    assert user_event(FEEDBACK | {"Timestamp": "0001-01-01T00:00:00Z"}).time_ms == 1_731_900_000_500
