"""Keys and values of input records, as a producer sends them."""

from __future__ import annotations

from typing import Any

import orjson

Input = tuple[bytes | None, bytes | None]
"""Key and value of an input record."""

FIRST_MS = 1_731_900_000_000
"""Time of event 0; those after it follow by the second."""


def fields(user: str, number: int, item: str = "i1") -> dict[str, Any]:
    """A click of this user; the number makes its id and time."""
    click = {"user_id": user, "event_type": "click", "item_id": item, "timestamp": FIRST_MS + number * 1000}
    return click | {"event_id": f"e{number}"}


def event(user: str, number: int, item: str = "i1") -> Input:
    """That click, keyed by the user."""
    return user.encode(), orjson.dumps(fields(user, number, item))


def events(begin: int, end: int, users: int = 7, items: int = 5) -> list[Input]:
    """Events of a stream in which users take turns."""
    return [event(f"u{number % users}", number, f"i{number * 3 % items}") for number in range(begin, end)]


def several(user: str, number: int, *items: str | None) -> Input:
    """One record with a click on each item, without event ids; None makes a click that cannot be used."""
    click = {"user_id": user, "event_type": "click", "timestamp": FIRST_MS + number * 1000}
    return user.encode(), orjson.dumps([click | {"item_id": item} for item in items])


def delete(user: str) -> Input:
    """A user.delete."""
    return user.encode(), orjson.dumps({"event_type": "user.delete", "user_id": user})
