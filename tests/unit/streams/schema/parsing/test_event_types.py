import pytest

from models.data.event_types import EVENT_TYPES
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import UserDelete, UserEvent
from streams.schema.parsing.event_types import BUILT_IN_NAMES, CONTROL_TYPES, SYNONYMS, EventTypeNames, normalized
from streams.settings.sections import EventSettings
from tests.records import consumer_record
from tests.unit.streams.decoding import CLICK, NOW, events_of, record, rejection, user_event


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("pv", "view"), ("buy", "purchase"), ("cart", "add_to_cart"), ("fav", "like"),  # Taobao
        ("addtocart", "add_to_cart"), ("transaction", "purchase"),  # Retailrocket
        ("clicks", "click"), ("carts", "add_to_cart"), ("orders", "purchase"),  # OTTO
        ("read", "view"), ("star", "like"),  # Gorse
        ("Product Viewed", "view"), ("Product Added", "add_to_cart"), ("Order Completed", "purchase"),
        ("Product Clicked", "click"), ("Products Searched", "search"), ("Product List Viewed", "impression"),
        ("view_item", "view"), ("select_item", "click"), ("page_view", "view"), ("view_item_list", "impression"),
        ("$pageview", "view"), ("$screen", "view"), ("product_view", "view"), ("list_click", "click"),
        ("Click", "click"), ("ADD TO CART", "add_to_cart"), ("add-to-cart", "add_to_cart"),
        ("AddToCart", "add_to_cart"),
    ],
)  # fmt: skip
def test_the_names_of_the_field_are_known(name: str, event_type: str) -> None:
    assert BUILT_IN_NAMES[name] == event_type
    assert user_event(CLICK | {"event_type": name}).event_type == event_type


def test_every_synonym_has_one_type_and_hides_no_type() -> None:
    names = [normalized(name) for synonyms in SYNONYMS.values() for name in {normalized(name) for name in synonyms}]
    assert len(names) == len(set(names))
    assert set(names).isdisjoint(normalized(name) for name in EVENT_TYPES)
    assert SYNONYMS.keys() <= set(EVENT_TYPES)


@pytest.mark.parametrize(
    "name", [*EVENT_TYPES, *sorted(CONTROL_TYPES), "hover", "$autocapture", "remove_from_cart", ""]
)
def test_every_other_name_stays_as_it_is(name: str) -> None:
    assert BUILT_IN_NAMES[name] == name


@pytest.mark.parametrize(
    ("name", "control_type"),
    [
        *((name, "user.delete") for name in ("User.Delete", "user_delete", "userDelete", "USER-DELETE", "user delete")),
        *((name, "user.delete") for name in ("user.deleted", "UserDeleted", "delete_user", "gdpr.erase", "forget_me")),
        *((name, "user.delete") for name in ("user.erasure", "eraseUser", "gdpr_delete")),
        ("Item.Delete", "item.delete"), ("item_delete", "item.delete"), ("itemUpsert", "item.upsert"),
    ],
)  # fmt: skip
def test_control_types_are_compared_like_the_others(name: str, control_type: str) -> None:
    control = {"user_id": "u1", "item_id": "i", "timestamp": 1_700_000_000_000}
    (event,) = events_of(control | {"event_type": name})
    (expected,) = events_of(control | {"event_type": control_type})
    assert event == expected
    assert not isinstance(event, UserEvent)
    assert name not in BUILT_IN_NAMES.renamed


def test_a_name_of_ones_own_goes_before_a_control_type_in_another_spelling_alone() -> None:
    names = EventTypeNames({"User Delete": "ignore"})
    assert (names["user_delete"], names["user.delete"]) == ("ignore", "user.delete")


def test_events_of_other_formats_are_no_control_records_in_any_spelling() -> None:
    track = consumer_record(b'{"type": "track", "event": "User Deleted", "userId": "u", "messageId": "m"}', b"u")
    events, rejected = decode(track)
    assert not any(events)
    assert rejected is not None
    assert "cannot be a control record" in rejected.message


@pytest.mark.parametrize(
    "name",
    [
        "user_deletion_request",
        "deleteUserData",
        "customer.erased",
        "account deleted",
        "GDPR/Forget",
        "eraseuser2",
        "delete-me-now",
    ],
)
def test_what_may_ask_for_an_erasure_is_refused_and_the_settings_say_what_it_is(name: str) -> None:
    request = {"user_id": "u1", "event_type": name, "timestamp": NOW}
    refused = rejection(request)
    assert refused.code == "unknown_erasure"
    assert f"[events.types] {name!r} = 'user.delete'" in refused.message
    erasing = SchemaRules.of(EventSettings(types={name: "user.delete"}))
    assert events_of(request, rules=erasing) == [UserDelete("u1", "user.delete", NOW, "user-events:3:991")]
    other = SchemaRules.of(EventSettings(types={name: "other"}))
    assert [event.event_type for event in events_of(request, rules=other)] == ["other"]


@pytest.mark.parametrize(
    "name",
    [
        "user_viewed_cameras",
        "forgot_password",
        "photo deleted",
        "eras_tour",
        "user_eraser",
        "remember_me",
        "acme.delta",
    ],
)
def test_other_names_of_users_or_of_deleting_count_as_others(name: str) -> None:
    assert BUILT_IN_NAMES[name] == name


def test_settings_let_no_other_format_erase_users() -> None:
    rules = SchemaRules.of(EventSettings(map={"type": "properties.kind"}, types={"Account Closed": "user.delete"}))
    track = {"type": "track", "event": "Account Closed", "userId": "u1", "messageId": "m", "timestamp": NOW}
    for call in (track, track | {"event": "click", "properties": {"kind": "user.delete"}}):
        events, rejected = decode(record(call), rules=rules)
        assert not any(events)
        assert rejected is not None
        assert "cannot be a control record" in rejected.message


def test_names_of_ones_own_go_first() -> None:
    settings = EventSettings(types={"Watch Trailer": "view", "pv": "click", "1": "purchase", "view": "share"})
    rules = SchemaRules.of(settings)
    given = ["watch_trailer", "PV", 1, "view", "buy"]
    types = [user_event(CLICK | {"event_type": name}, rules=rules).event_type for name in given]
    assert types == ["view", "click", "purchase", "share", "purchase"]
    assert user_event(CLICK | {"event_type": "pv"}).event_type == "view"


def test_events_of_an_ignored_name_are_left_out() -> None:
    rules = SchemaRules.of(EventSettings(types={"scroll": "ignore"}))
    assert events_of(CLICK | {"event_type": "Scroll"}, rules=rules) == []
    two = events_of([CLICK | {"event_type": "scroll", "item_id": None, "event_id": "e0"}, CLICK], rules=rules)
    assert two == [user_event(CLICK)]


def test_the_names_that_are_kept_are_bounded() -> None:
    names = EventTypeNames()
    for number in range(20_000):
        assert names[f"name {number}"] == f"name {number}"
    assert len(names) <= 10_000
