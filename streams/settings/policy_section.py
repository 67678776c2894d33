"""Settings sections of policies, which decide what is shown, and of the feedback that they learn from."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from models.data.event_types import EVENT_TYPES
from streams.settings.sections import STRICT, inline_table

POLICY_KINDS: Final = ("greedy", "epsilon_greedy", "softmax", "thompson", "linucb", "dqn")
"""As models.policy has them"""
_DEFAULT_WEIGHTS: Final = {"click": 1.0, "add_to_cart": 2.0, "purchase": 5.0}


def _policy_names(names: str) -> str:
    kinds = [name.strip() for name in names.split(",")]
    for kind in kinds:
        if kind not in POLICY_KINDS:
            raise ValueError(f"there is no policy {kind!r}, there are {', '.join(POLICY_KINDS)}")
    if len(set(kinds)) < len(kinds):
        raise ValueError("each policy once")
    return names


def _examination(shares: str) -> str:
    for share in _shares(shares):
        if not 0 < share <= 10:
            raise ValueError("each place needs a number above 0, of the first 1: 1, 0.7, 0.5")
    return shares


def _shares(shares: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in shares.split(",")) if shares.strip() else ()
    except ValueError:
        raise ValueError("must be numbers with commas between: 1, 0.7, 0.5") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text.strip() else ()


def _category_names(text: str) -> str:
    if "" in _names(text):
        raise ValueError("must be names with commas between")
    return text


def _item_ids(text: str) -> str:
    if "" in _names(text):
        raise ValueError("must be ids with commas between")
    return text


def _event_weights(weights: dict[str, float]) -> dict[str, float]:
    for name in weights:
        if name not in EVENT_TYPES:
            raise ValueError(f"there is no event type {name!r} (types: {', '.join(EVENT_TYPES)})")
    return weights


@dataclass(frozen=True, config=STRICT)
class PolicySettings:
    """What is shown to whom, and how much of it is exploration."""

    kinds: Annotated[str, AfterValidator(_policy_names)] = field(
        default="epsilon_greedy",
        metadata={"help": f"{', '.join(POLICY_KINDS)}; of several with commas between, the first decides by default"},
    )
    options: Annotated[dict[str, dict[str, float]], BeforeValidator(inline_table)] = field(
        default_factory=dict,
        metadata={"help": "of a policy: { epsilon_greedy = { epsilon = 0.05 }, softmax = { temperature = 0.02 } } …"},
    )
    max_per_category: Annotated[int, Field(ge=0, le=1000)] = field(
        default=0, metadata={"help": "places of a slate that show one category, the item's first; 0: any number"}
    )
    diversity: Annotated[float, Field(ge=0, le=1e6)] = field(
        default=0.0, metadata={"help": "weight of a slate's diversity, in units of the reward; 0: none"}
    )
    diversity_by: Literal["mmr", "dpp"] = field(
        default="mmr",
        metadata={
            "help": "mmr: a candidate loses `diversity` for each earlier place of its first category; dpp: by a "
            "determinantal point process, the more the more of all its categories earlier places have"
        },
    )
    categories: Annotated[str, AfterValidator(_category_names)] = field(
        default="", metadata={"help": "only items of one of these are shown, with commas between; empty: of any"}
    )
    exclude_categories: Annotated[str, AfterValidator(_category_names)] = field(
        default="", metadata={"help": "items of these are not shown, with commas between"}
    )
    exclude_items: Annotated[str, AfterValidator(_item_ids)] = field(
        default="", metadata={"help": "ids of items that are not shown, with commas between"}
    )
    min_price: Annotated[float, Field(ge=0, le=1e12)] = field(
        default=0.0,
        metadata={"help": "only items of this price or more (`numbers.price` of the catalog) are shown; 0: any"},
    )
    max_price: Annotated[float, Field(ge=0, le=1e12)] = field(
        default=0.0, metadata={"help": "only items of this price or less are shown; 0: any"}
    )
    in_stock: bool = field(default=False, metadata={"help": "only items in stock (`numbers.stock` above 0) are shown"})
    max_age_s: Annotated[float, Field(ge=0, le=1e12)] = field(
        default=0.0,
        metadata={"help": "only items so new (`numbers.published_at`, epoch seconds) are shown; 0: of any age"},
    )
    fresh_share: Annotated[float, Field(ge=0, le=1)] = field(
        default=0.0,
        metadata={"help": "share of the places that show a new candidate, where there is one, each alike"},
    )
    fresh_places: Annotated[float, Field(gt=0, le=1e9)] = field(
        default=100.0, metadata={"help": "an item is new until so many places have shown it"}
    )
    half_life_places: Annotated[float, Field(ge=0)] = field(
        default=0.0, metadata={"help": "places after which what was learnt counts half; 0: never"}
    )
    examination: Annotated[str, AfterValidator(_examination)] = field(
        default="",
        metadata={
            "help": "how often users look at each place, relative to the first, with commas between: 1, 0.7, 0.5; "
            "later places as the last; empty: all alike"
        },
    )
    guard: bool = field(
        default=True,
        metadata={"help": "what a user does with an item that they reward at every sight is not learnt"},
    )
    dqn_places: Annotated[int, Field(ge=1, le=100)] = field(
        default=10, metadata={"help": "places of a slate that dqn learns from; of longer ones the first"}
    )
    item_buckets: Annotated[int, Field(ge=1, le=1 << 15)] = field(
        default=1 << 14,
        metadata={"help": "items are learnt apart in so many buckets, by a hash of their id; fixed once learnt"},
    )
    publish_interval_s: Annotated[float, Field(ge=0.05, le=3600)] = field(
        default=1.0, metadata={"help": "time from one publication of what was learnt to the next"}
    )
    log_candidates: Annotated[int, Field(ge=0, le=1000)] = field(
        default=100,
        metadata={"help": "candidates of a decision that are all logged; of more, only those that are shown"},
    )
    recipe: str = field(
        default="",
        metadata={
            "help": "recipe of the model by whose predictions this process decides: it decides for the users of arms "
            "that name it, and for no others; empty: for all others"
        },
    )
    data_dir: Path = field(
        default=Path("data/policy"), metadata={"help": "folder of this process alone: decisions that wait for feedback"}
    )

    def __post_init__(self) -> None:
        if 0 < self.max_price < self.min_price:
            raise ValueError("policy.max_price must not be below policy.min_price: nothing would be shown")

    @property
    def examined(self) -> tuple[float, ...]:
        """The numbers of `examination`."""
        return _shares(self.examination)

    @property
    def only_categories(self) -> tuple[str, ...]:
        """Those of `categories`."""
        return _names(self.categories)

    @property
    def without_categories(self) -> tuple[str, ...]:
        """Those of `exclude_categories`."""
        return _names(self.exclude_categories)

    @property
    def without_items(self) -> tuple[str, ...]:
        """Those of `exclude_items`."""
        return _names(self.exclude_items)

    @property
    def names(self) -> tuple[str, ...]:
        """The policies, that which decides by default first."""
        return tuple(name.strip() for name in self.kinds.split(","))


@dataclass(frozen=True, config=STRICT)
class FeedbackSettings:
    """What an event is worth to the decision that it names, and for how long events are waited for."""

    horizon_s: Annotated[float, Field(ge=0.1, le=90 * 86_400)] = field(
        default=1800.0, metadata={"help": "events that happen so long after a decision count; then its reward is final"}
    )
    grace_s: Annotated[float, Field(ge=0, le=86_400)] = field(
        default=10.0, metadata={"help": "events that happened within the horizon may arrive so much later"}
    )
    weights: Annotated[dict[str, float], AfterValidator(_event_weights), BeforeValidator(inline_table)] = field(
        default_factory=lambda: dict(_DEFAULT_WEIGHTS),
        metadata={"help": "event type → reward of one event; others are worth 0"},
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] = field(
        default=1, metadata={"help": "events of one type and item that count for a decision"}
    )
    dwell_weight: Annotated[float, Field(ge=0, le=1e6)] = field(
        default=0.0,
        metadata={"help": "reward of dwell_full_s on an item, in properties.dwell_s of an event; in proportion"},
    )
    dwell_full_s: Annotated[float, Field(gt=0, le=86_400)] = field(
        default=60.0, metadata={"help": "seconds on an item that are worth all of dwell_weight"}
    )
    closing_type: str = field(
        default="", metadata={"help": "event type after which a decision's reward is final at once; empty: none"}
    )

    def __post_init__(self) -> None:
        if self.closing_type and self.closing_type not in EVENT_TYPES:
            raise ValueError(
                f"feedback.closing_type: there is no event type {self.closing_type!r} (types: {', '.join(EVENT_TYPES)})"
            )
