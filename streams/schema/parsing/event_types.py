"""Names that producers give to event types, and our type for each.

Names are compared without case, spaces, underscores, hyphens and a leading `$`; built-in ones also without dots.
"""

from collections.abc import Mapping
from typing import Final

from models.data.event_types import EVENT_TYPES
from streams.schema.parsing.erasure_names import may_ask_for_erasure
from streams.settings.sections import ERASURE_TYPE, IGNORED_TYPE

CONTROL_TYPES: Final = frozenset({ERASURE_TYPE, "user.upsert", "item.upsert", "item.delete"})
UNKNOWN_ERASURE: Final = "user.delete?"
"""Type of names that are not known, but may ask to erase a user: their events are refused"""

SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "view": (
        *("pv", "read", "watch", "play", "listen", "viewed"),
        *(
            "page",
            "page view",
            "pageview",
            "$mp_web_page_view",
            "[Amplitude] Page Viewed",
            "screen",
            "screen view",
            "view content",
            "content view",
        ),
        *("Product Viewed", "product view", "view product", "detail", "view_item", "item view", "view detail"),
    ),
    "click": (
        *("clicks", "clicked", "select_item", "select_content", "item click", "click_item"),
        *("Product Clicked", "product click", "list_click"),
    ),
    "search": (
        *("Products Searched", "query", "searched", "site search", "view_search_results", "search_submit"),
        "Product List Searched",
    ),
    "add_to_cart": (
        *("cart", "carts", "basket", "add_to_basket", "add to bag", "cart_add", "added to cart"),
        "Product Added",
    ),
    "purchase": (
        *("buy", "bought", "order", "orders", "ordered", "transaction", "transactions", "checkout_complete"),
        *("Order Completed", "order placed", "purchased", "ecommerce_purchase", "in_app_purchase", "transaction_item"),
    ),
    "rating": ("rate", "rated", "Product Rated"),
    "review": ("comment", "reviewed", "Product Reviewed"),
    "like": (
        *("fav", "favorite", "favourite", "favorites", "liked", "star", "upvote", "bookmark", "wishlist"),
        *("add_to_wishlist", "Product Added to Wishlist", "add_to_favorites", "collect", "thumbs_up"),
    ),
    "share": ("shared", "Product Shared", "retweet"),
    "impression": (
        *("impressions", "shown", "exposure", "view_item_list", "list_view", "Product List Viewed", "ranking"),
        "item impression",
    ),
}
"""Type → names of the public data sets and platforms: Retailrocket, Taobao, OTTO, Segment, GA4, Snowplow, Gorse.

Only names that are about an item wherever they occur: an event of most types is refused without one.
"""

_MOST_CACHED: Final = 10_000
_NO_USER_EVENTS: Final = CONTROL_TYPES | {IGNORED_TYPE, UNKNOWN_ERASURE}
_DROP: Final = str.maketrans("", "", " _-\t")


def unknown_erasure(name: str) -> str:
    """Why the event of such a name is refused."""
    return (
        f"type {name[:80]!r} may ask to erase a user, but is not known; say in interest.toml what it is: "
        f"[events.types] {name[:80]!r} = '{ERASURE_TYPE}', 'other', '{IGNORED_TYPE}' …"
    )


def normalized(name: str) -> str:
    """The name as it is compared."""
    return name.removeprefix("$").casefold().translate(_DROP)


_BUILT_IN: Final = {
    normalized(name): event_type
    for event_type, names in (dict[str, tuple[str, ...]].fromkeys(EVENT_TYPES, ()) | SYNONYMS).items()
    for name in (event_type, *names)
} | {
    # A control record that is taken for an event of another type would be lost without a trace.
    name: control_type
    for control_type, names in {
        ERASURE_TYPE: (
            *("userdelete", "userdeleted", "userdeletion", "usererase", "usererased", "usererasure", "userforget"),
            *("userforgotten", "deleteuser", "eraseuser", "forgetuser", "deleteme", "eraseme", "forgetme"),
            *("gdprdelete", "gdprdeletion", "gdprerase", "gdprerasure", "gdprforget", "gdprforgetme"),
        ),
        "user.upsert": ("userupsert",),
        "item.upsert": ("itemupsert",),
        "item.delete": ("itemdelete",),
    }.items()
    for name in names
}


class EventTypeNames(dict[str, str]):
    """A producer's name of an event type → our type, or the name itself where it is unknown: `names[name]`.

    `custom` goes before the built-in synonyms. Names are looked up once and kept, up to a bound.
    """

    renamed: dict[str, str | None]
    """For the decoder's fast path: the names of users' events that were looked up, and our type where it differs."""

    def __init__(self, custom: Mapping[str, str] | None = None) -> None:
        self._custom = {normalized(name): event_type for name, event_type in (custom or {}).items()}
        super().__init__((name, name) for name in CONTROL_TYPES)
        self.renamed = {}
        for name in EVENT_TYPES:
            _ = self[name]

    def __missing__(self, name: str) -> str:
        key = normalized(name)
        event_type = self._custom.get(key) or _BUILT_IN.get(key.replace(".", ""))
        if event_type is None:
            event_type = UNKNOWN_ERASURE if may_ask_for_erasure(name) else name
        if len(self) < _MOST_CACHED:
            self[name] = event_type
            if event_type not in _NO_USER_EVENTS:
                self.renamed[name] = None if event_type == name else event_type
        return event_type


BUILT_IN_NAMES: Final = EventTypeNames()


def unqualified(event_type: str) -> str:
    """The end of a qualified name (`com.example.click`) where that is a known type, else the name."""
    parts = event_type.rsplit(".", 2)
    for end in (".".join(parts[-2:]), parts[-1]):
        if BUILT_IN_NAMES[end] in CONTROL_TYPES or normalized(end) in _BUILT_IN:
            return end
    return event_type
