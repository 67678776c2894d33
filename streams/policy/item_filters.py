"""Which items may be shown at all, by what the catalog says of them: of the settings, and of each request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from streams.schema.decisions.decision import DecisionRequest
from streams.schema.events import ItemUpsert
from streams.settings.policy_section import PolicySettings

PRICE: Final = "price"
"""Name of a number of a catalog entry"""
STOCK: Final = "stock"
PUBLISHED: Final = "published_at"
"""A time in epoch seconds"""


class DescribedItem(NamedTuple):
    """What filters and rules know of an item; None where the catalog does not say."""

    categories: tuple[str, ...] = ()
    price: float | None = None
    stock: float | None = None
    published_s: float | None = None

    @staticmethod
    def of(item: ItemUpsert) -> DescribedItem:
        """Of a catalog entry."""
        numbers = item.numbers
        return DescribedItem(item.categories, numbers.get(PRICE), numbers.get(STOCK), numbers.get(PUBLISHED))


UNDESCRIBED: Final = DescribedItem()


@dataclass(frozen=True, slots=True)
class ItemFilters:
    """What an item must be. Where the catalog does not say what is asked for, the item is ruled out."""

    items: frozenset[str] = frozenset()
    """Ruled out by id"""
    categories: frozenset[str] = frozenset()
    """One of these; empty: any"""
    exclude_categories: frozenset[str] = frozenset()
    min_price: float | None = None
    max_price: float | None = None
    in_stock: bool = False
    max_age_s: float | None = None

    @staticmethod
    def of_settings(settings: PolicySettings) -> ItemFilters:
        """Of all decisions."""
        return ItemFilters(
            frozenset(settings.without_items),
            frozenset(settings.only_categories),
            frozenset(settings.without_categories),
            settings.min_price or None,
            settings.max_price or None,
            settings.in_stock,
            settings.max_age_s or None,
        )

    @staticmethod
    def of_request(request: DecisionRequest) -> ItemFilters:
        """Of one decision, beside those of the settings."""
        return ItemFilters(
            frozenset(request.exclude),
            frozenset(request.categories),
            frozenset(request.exclude_categories),
            request.min_price,
            request.max_price,
            request.in_stock,
            request.max_age_s,
        )

    def rules_out(self, item_id: str, item: DescribedItem, now_s: float) -> str | None:
        """The field of a request by which the item may not be shown; None where it may be."""
        if item_id in self.items:
            return "exclude"
        if self.categories and self.categories.isdisjoint(item.categories):
            return "categories"
        if self.exclude_categories and not self.exclude_categories.isdisjoint(item.categories):
            return "exclude_categories"
        if self.min_price is not None and not (item.price is not None and item.price >= self.min_price):
            return "min_price"
        if self.max_price is not None and not (item.price is not None and item.price <= self.max_price):
            return "max_price"
        if self.in_stock and not (item.stock is not None and item.stock > 0):
            return "in_stock"
        if self.max_age_s is not None and not (
            item.published_s is not None and 0 <= now_s - item.published_s <= self.max_age_s
        ):
            return "max_age_s"
        return None


_NONE: Final = ItemFilters()


def filtered(
    item_ids: Iterable[str], catalog: Mapping[str, DescribedItem], filters: Iterable[ItemFilters], now_s: float
) -> tuple[list[str], dict[str, int]]:
    """The items, each once, that all filters let pass; and how many were ruled out, by the first field that did."""
    active = [some for some in filters if some != _NONE]
    passed: list[str] = []
    ruled_out: dict[str, int] = {}
    for item_id in dict.fromkeys(item_ids):
        item = catalog.get(item_id, UNDESCRIBED)
        reasons = (of_filter.rules_out(item_id, item, now_s) for of_filter in active)
        reason = next(filter(None, reasons), None)
        if reason is None:
            passed.append(item_id)
        else:
            ruled_out[reason] = ruled_out.get(reason, 0) + 1
    return passed, ruled_out
