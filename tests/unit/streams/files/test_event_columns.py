import numpy as np

from models.data.event_types import type_index
from streams.files.event_columns import event_columns, sorted_event_columns
from streams.files.logged_event import LoggedEvent

LOGGED = [
    LoggedEvent("a", "x", 1000, "view", "1"),
    LoggedEvent("b", "", 2000, "search", "2", text="shoes"),
    LoggedEvent("a", "y", 3000, "rating", "3", value=4.5),
    LoggedEvent("c", "x", 4000, "unheard of", "4", value=0.0),
]


def test_users_and_items_are_indexed_by_first_appearance() -> None:
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    events = event_columns(LOGGED, users, items)
    assert users == {"a": 0, "b": 1, "c": 2}
    assert items == {"": 0, "x": 1, "y": 2}
    assert events.user.tolist() == [0, 1, 0, 2]
    assert events.item.tolist() == [1, 0, 2, 1]
    assert events.type.tolist() == [type_index(name) for name in ("view", "search", "rating", "other")]
    np.testing.assert_array_equal(events.value, [np.nan, np.nan, 4.5, 0.0])
    assert events.text.tolist() == ["", "shoes", "", ""]


def test_known_users_and_items_keep_their_index() -> None:
    items = {"": 0, "q": 1, "y": 2}
    assert event_columns(LOGGED, {}, items).item.tolist() == [3, 0, 2, 3]


def test_impressions_are_no_events_to_train_on() -> None:
    shown = LoggedEvent("d", "z", 500, "impression", "0")
    log, users, items = sorted_event_columns([shown, *LOGGED], [])
    assert (len(log), users, items) == (4, 3, ["", "x", "y"])
