import json
from typing import Any

from tests.unit.streams.decoding import rejection, user_event, user_events

ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
PRODUCT = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"
PAGE_VIEW: dict[str, Any] = {
    "app_id": "shop",
    "platform": "web",
    "event": "page_view",
    "event_name": "page_view",
    "event_id": "5f1c-1",
    "collector_tstamp": "2024-11-18T03:20:02.000Z",
    "derived_tstamp": "2024-11-18T03:20:00.750Z",
    "user_id": None,
    "domain_userid": "u1",
    "network_userid": "net-2",
    "domain_sessionid": "s-8",
    "page_urlpath": "/chairs/9",
}
UNSTRUCT = PAGE_VIEW | {"event": "unstruct", "event_name": "snowplow_ecommerce_action"}


def test_a_page_view_is_a_view_of_the_page() -> None:
    event = user_event(PAGE_VIEW)
    assert (event.event_type, event.item_id, event.event_id) == ("view", "/chairs/9", "5f1c-1")
    assert (event.time_ms, event.session_id) == (1_731_900_000_750, "s-8")
    assert user_event(PAGE_VIEW, key=b"net-2").user_id == "net-2"


def test_an_ecommerce_action_is_an_event_of_each_product() -> None:
    chair, desk = {"id": "chair-9", "price": 120, "currency": "EUR"}, {"id": "desk-2", "price": 300}
    cart = user_event(UNSTRUCT | {ACTION: {"type": "add_to_cart"}, PRODUCT: [chair]})
    assert (cart.event_type, cart.item_id, cart.value) == ("add_to_cart", "chair-9", 120)
    view = user_event(UNSTRUCT | {ACTION: {"type": "product_view"}, PRODUCT: [chair]})
    assert (view.event_type, view.item_id) == ("view", "chair-9")
    orders = user_events(UNSTRUCT | {ACTION: {"type": "transaction"}, PRODUCT: [chair, desk]})
    assert [(order.event_type, order.item_id) for order in orders] == [("purchase", "chair-9"), ("purchase", "desk-2")]
    shown = user_event(UNSTRUCT | {ACTION: {"type": "list_view"}, PRODUCT: [chair, desk]})
    assert (shown.event_type, shown.impression) == ("impression", ("chair-9", "desk-2"))


def test_a_self_describing_event_of_ones_own_has_its_name() -> None:
    fields = {"unstruct_event_com_acme_product_rated_1": {"product_id": 9, "rating": 4}}
    event = user_event(UNSTRUCT | {"event_name": "product_rated"} | fields)
    assert (event.event_type, event.item_id, event.value) == ("rating", "9", 4.0)


def test_structured_and_legacy_events_are_read() -> None:
    search = user_event(PAGE_VIEW | {"event": "struct", "event_name": "event", "se_action": "Search"})
    assert search.event_type == "search"
    item = user_event(PAGE_VIEW | {"event": "transaction_item", "event_name": None, "ti_sku": "c-9", "ti_price": 8.5})
    assert (item.event_type, item.item_id, item.value) == ("purchase", "c-9", 8.5)
    assert user_events(PAGE_VIEW | {"event": "transaction"}) == []
    assert user_events(PAGE_VIEW | {"event": "page_ping"}) == []


def line(**cells: str) -> bytes:
    columns = {
        "app_id": 0, "etl_tstamp": 2, "collector_tstamp": 3, "event": 5, "event_id": 6, "domain_userid": 15,
        "page_urlpath": 35, "contexts": 52, "unstruct_event": 58, "domain_sessionid": 123, "derived_tstamp": 124,
        "event_name": 126,
    }  # fmt: skip
    row = [""] * 131
    for name, cell in cells.items():
        row[columns[name]] = cell
    return "\t".join(row).encode()


def described(schema: str, data: object) -> str:
    return json.dumps({"schema": f"iglu:com.snowplowanalytics.snowplow/{schema}/jsonschema/1-0-0", "data": data})


CELLS = {
    "app_id": "shop",
    "collector_tstamp": "2024-11-18 03:20:02.000",
    "derived_tstamp": "2024-11-18 03:20:00.750",
    "event": "page_view",
    "event_id": "5f1c-1",
    "event_name": "page_view",
    "domain_userid": "u1",
    "domain_sessionid": "s-8",
    "page_urlpath": "/chairs/9",
}


def test_a_line_of_the_enriched_stream_gives_the_same_event() -> None:
    assert user_event(line(**CELLS)) == user_event(PAGE_VIEW)


def test_contexts_of_a_line_are_found_by_their_schema() -> None:
    vendor = "iglu:com.snowplowanalytics.snowplow.ecommerce"
    products = [
        {"schema": f"{vendor}/product/jsonschema/1-0-0", "data": {"id": "chair-9", "price": 120}},
        {"schema": "iglu:org.w3/PerformanceTiming/jsonschema/1-0-0", "data": {"x": 1}},
        {"schema": "none", "data": {}},
    ]
    action = {"schema": f"{vendor}/snowplow_ecommerce_action/jsonschema/1-0-2", "data": {"type": "add_to_cart"}}
    cells = CELLS | {
        "event": "unstruct",
        "contexts": described("contexts", products),
        "unstruct_event": described("unstruct_event", action),
    }
    event = user_event(line(**cells))
    assert (event.event_type, event.item_id, event.value) == ("add_to_cart", "chair-9", 120)
    broken = user_event(line(**CELLS | {"contexts": "{", "unstruct_event": "[]"}))
    assert broken.item_id == "/chairs/9"


def test_other_tab_separated_text_is_no_event() -> None:
    assert rejection(b"u1\tclick\ti1").code == "not_json"
    assert rejection(b"\t" * 130).code == "not_json"
    assert rejection(line(app_id="shop", domain_userid="u1")).code == "missing_field"
