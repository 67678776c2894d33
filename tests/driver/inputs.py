"""Input records of the driver's tests."""

from __future__ import annotations

import orjson

from tests.driver.worker_driver import Input


def event(user: str, number: int, item: str = "i1") -> Input:
    """A click of this user; the number makes its id and time."""
    fields = {"user_id": user, "event_type": "click", "item_id": item, "timestamp": 1731900000000 + number * 1000}
    return user.encode(), orjson.dumps(fields | {"event_id": f"e{number}"})


def events(begin: int, end: int, users: int = 7, items: int = 5) -> list[Input]:
    """Events of a stream in which users take turns."""
    return [event(f"u{number % users}", number, f"i{number * 3 % items}") for number in range(begin, end)]


def several(user: str, number: int, *items: str | None) -> Input:
    """One record with a click on each item, without event ids; None makes a click that cannot be used."""
    fields = {"user_id": user, "event_type": "click", "timestamp": 1731900000000 + number * 1000}
    return user.encode(), orjson.dumps([fields | {"item_id": item} for item in items])


def delete(user: str) -> Input:
    """A user.delete."""
    return user.encode(), orjson.dumps({"event_type": "user.delete", "user_id": user})
