import json

import msgspec

from tests.unit.streams.decoding import CLICK, user_event


def test_camel_case_names_are_read_alone_and_mixed() -> None:
    value = {"eventId": "e1", "eventType": "rating", "userId": "u1", "itemId": "i9", "sentAt": 1_731_900_000}
    event = user_event(value | {"eventValue": 3.5, "sessionId": "s", "recommendationId": "p", "schemaVersion": 1})
    assert (event.event_id, event.event_type, event.user_id, event.item_id) == ("e1", "rating", "u1", "i9")
    assert (event.time_ms, event.value, event.session_id) == (1_731_900_000_000, 3.5, "s")
    assert event.prediction_id == "p"
    mixed = {"event_type": "rating", "user_id": "u1", "itemId": "i9", "timestamp": 1_731_900_000, "eventValue": 3.5}
    assert (user_event(mixed).item_id, user_event(mixed).value) == ("i9", 3.5)


def test_a_field_given_under_both_names_must_agree_save_for_the_time() -> None:
    assert user_event(CLICK | {"itemId": "i9", "userId": None}) == user_event(CLICK)
    assert user_event(CLICK | {"sentAt": 1}) == user_event(CLICK)
    assert user_event(CLICK | {"value": 1, "eventValue": 2}).value == 1


def test_properties_may_be_a_json_string() -> None:
    properties = user_event(CLICK | {"properties": json.dumps({"numberOfRatings": "12"})}).properties
    assert isinstance(properties, msgspec.Raw)
    assert json.loads(bytes(properties)) == {"numberOfRatings": "12"}
    assert user_event(CLICK | {"properties": "red"}) == user_event(CLICK)
