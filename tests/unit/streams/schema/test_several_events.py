"""Records of several events."""

import json

import msgspec

from streams.schema.decoder import decode
from tests.unit.streams.decoding import CLICK, NOW, record, user_event, user_events


def test_an_array_is_several_events_with_positions_of_their_own() -> None:
    bare = {name: CLICK[name] for name in CLICK if name != "event_id"}
    first, second, third = user_events([CLICK, bare | {"item_id": "i2"}, bare | {"itemId": 3, "item_id": None}])
    assert (first.event_id, first.item_id) == ("e1", "i9")
    assert (second.event_id, second.item_id) == ("user-events:3:991:1", "i2")
    assert (third.event_id, third.item_id) == ("user-events:3:991:2", "3")
    assert user_events([bare]) == [user_event(bare)]


def test_one_id_for_several_events_is_told_apart_by_the_index() -> None:
    assert [event.event_id for event in user_events([CLICK, CLICK | {"event_id": "e2"}, CLICK])] == [
        "e1:0",
        "e2",
        "e1:2",
    ]


def test_the_usable_events_of_an_array_are_kept_and_the_others_named() -> None:
    events, rejected = decode(record([CLICK, CLICK | {"item_id": None}, 5, CLICK | {"user_id": "u2"}, {}, CLICK]))
    assert [event is not None for event in events] == [True, False, False, False, False, True]
    assert rejected is not None
    assert rejected.code == "missing_field"
    assert rejected.message.startswith("event 1 of 6: missing_field: a click needs an item_id")
    assert "; event 2 of 6: not_an_object: " in rejected.message
    assert "; event 3 of 6: key_mismatch: " in rejected.message
    assert rejected.message.endswith("; and 1 more")


def test_events_of_one_order_do_not_grow_with_the_square_of_its_products() -> None:
    products = [{"sku": f"p{number}"} for number in range(2000)]
    order = {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": NOW}
    small, large = (order | {"properties": {"note": "n", "products": shown}} for shown in (products[:3], products))
    first, *_ = user_events(small)
    assert isinstance(first.properties, msgspec.Raw)
    assert json.loads(bytes(first.properties)) == small["properties"]
    events = user_events(large)
    assert len(events) == 2000
    assert all(event.properties is msgspec.UNSET for event in events)
