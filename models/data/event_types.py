"""The known event types and their indices. Needs nothing but Python: every reader of records imports it."""

from typing import Final

EVENT_TYPES: Final = (
    "other",
    "view",
    "click",
    "search",
    "add_to_cart",
    "purchase",
    "rating",
    "review",
    "like",
    "share",
    "impression",
)
"""Event types by index; the order is part of every checkpoint, so new ones go to the end."""

IMPRESSION: Final = "impression"
"""An item was shown. No choice of the user's: whoever feeds a model leaves such events out, for it would learn them as
interest, and a dozen beside each click would push the clicks out of the user's row."""

_INDEX: Final = {name: index for index, name in enumerate(EVENT_TYPES)}


def type_index(name: str) -> int:
    """Index of the event type; every unknown name is `other`."""
    return _INDEX.get(name, 0)
