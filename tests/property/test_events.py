import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from models.data.event_types import EVENT_TYPES
from streams.errors import Rejected
from streams.schema.adapters.adapter import Adapter
from streams.schema.adapters.canonical import ALIASES
from streams.schema.adapters.registry import FORMATS, canonical_events
from streams.schema.adapters.snowplow import from_tsv
from streams.schema.decoder import SchemaRules, decode, decode_item
from streams.schema.event_encoder import encode_event
from streams.schema.events import UserEvent
from streams.schema.parsing.field_map import FieldMap
from streams.schema.parsing.json_text import parse
from streams.schema.parsing.times import FIRST_MS, MS_BELOW, SECONDS_BELOW
from streams.schema.record import Record
from tests.records import consumer_record

NOW = 1_731_900_000_500
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text[0] != "\0")
TIMES_MS = st.integers(SECONDS_BELOW, NOW)
EVENTS = st.fixed_dictionaries(
    {
        "user_id": IDS,
        "event_type": st.sampled_from([name for name in EVENT_TYPES if name != "other"]),
        "item_id": IDS,
        "timestamp": TIMES_MS,
    },
    optional={
        "event_id": IDS,
        "value": st.floats(-1e12, 1e12),
        "text": st.text(st.characters(exclude_categories=["Cs"])),
        "session_id": IDS,
        "lang": IDS,
        "prediction_id": IDS,
        "impression": st.lists(IDS, max_size=5),
        "schema_version": st.just(1),
    },
)


def json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


PLAIN = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text()
JSON = json_values(PLAIN | st.floats(allow_nan=False, allow_infinity=False))
# What json.dumps writes though it is no JSON: NaN, infinities, integers without end, lone surrogates.
ALMOST_JSON = json_values(PLAIN | st.floats() | st.integers() | st.text(st.characters()))
CAMEL = {name: alias for alias, name in ALIASES.items()}


def decoded(fields: dict[str, Any], user_id: str, headers: tuple[tuple[str, bytes], ...] = ()) -> UserEvent:
    (event,), rejected = decode(consumer_record(json.dumps(fields).encode(), user_id.encode(), headers))
    assert rejected is None
    assert isinstance(event, UserEvent)
    return event


def decoded_value(value: bytes, user_id: str, timestamp: int = NOW) -> UserEvent:
    source = consumer_record(value, user_id.encode(), partition=0, offset=7, timestamp=timestamp)
    (event,), rejected = decode(source)
    assert rejected is None
    assert isinstance(event, UserEvent)
    return event


RULES = SchemaRules(FieldMap({"user": "who.id", "item": "items[0]", "time": "properties.time", "value": "a.0"}))


def assert_only_rejected(source: Record) -> None:
    for rules in (SchemaRules(), RULES, SchemaRules(check_key=False, adapter=FORMATS["segment"])):
        events, rejected = decode(source, rules=rules)
        assert rejected is None or len(str(rejected)) < 2000
        for event in filter(None, events):
            msgspec.json.encode(event).decode()  # whatever is let in can be written again
            if isinstance(event, UserEvent):
                datetime.fromtimestamp(event.time_ms / 1000, UTC)
    with contextlib.suppress(Rejected):
        msgspec.json.encode(decode_item(source)).decode()


@given(
    st.binary(),
    st.none() | st.binary(),
    st.lists(st.tuples(st.sampled_from(["ce_specversion", "ce_id", "x"]), st.binary())),
)
def test_any_bytes_give_an_event_or_a_rejection(
    value: bytes, key: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assert_only_rejected(consumer_record(value, key, tuple(headers)))


@given(
    EVENTS.flatmap(
        lambda event: st.dictionaries(
            st.sampled_from([*event, *ALIASES, "properties", "title", "features"]), ALMOST_JSON
        ).map(lambda wrong: (event["user_id"], event | wrong))
    ),
    st.sampled_from([None, "user.delete", "item.upsert", "item.delete"]),
)
@example(("u", {"user_id": "u", "event_type": "view", "timestamp": 10**400}), None)
def test_any_json_gives_an_event_or_a_rejection(given: tuple[str, dict[str, Any]], control: str | None) -> None:
    user_id, fields = given
    if control is not None:
        fields = fields | {"event_type": control}
    assert_only_rejected(consumer_record(json.dumps(fields).encode(), user_id.encode()))


NAMES = """
    event_type eventType user_id userId item_id timestamp type event userId anonymousId messageId properties context
    product_id products path url name query event_name event_timestamp user_pseudo_id event_params items key value
    int_value string_value distinct_id batch api_key $current_url eventList sentAt FeedbackType UserId Timestamp fields
    item user session id specversion source data data_base64 time partitionkey schema payload collector_tstamp
    event_id derived_tstamp contexts_com_snowplowanalytics_snowplow_ecommerce_product_1 price who op sku impression
    unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1
    event_properties events insert_id $insert_id $time productId revenue session_id
""".split()  # noqa: SIM905
WORDS = """
    track page screen identify interaction ranking item user page_view purchase $pageview item.upsert user.delete 1.0
    transaction page_ping u1 https://x.example/a?b https://[ {} [] 17 0001-01-01 2024-11-18T03:20:00Z pv
""".split()  # noqa: SIM905
FORMAT_VALUES = st.recursive(
    st.sampled_from(WORDS) | PLAIN | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), FORMAT_VALUES, min_size=1, max_size=8), min_size=1, max_size=3),
    st.sampled_from([b"u1", b"17", b'"u1"', b"\xff", None]),
)
def test_any_json_in_the_names_of_the_formats_gives_events_or_rejections(
    values: list[dict[str, Any]], key: bytes | None
) -> None:
    for value in (values, values[0]):
        assert_only_rejected(consumer_record(json.dumps(value).encode(), key))


@given(st.dictionaries(st.sampled_from(NAMES), FORMAT_VALUES, max_size=10), st.sampled_from(list(FORMATS.values())))
def test_each_adapter_is_total(fields: dict[str, Any], adapter: Adapter) -> None:
    source = consumer_record(b"", b"u1")
    try:
        parsed = parse(json.dumps(fields).encode())
    except Rejected:
        return
    assert isinstance(parsed, dict)
    with contextlib.suppress(Rejected):
        if adapter.matches(parsed, source.headers):
            assert all(isinstance(event, dict) for event in adapter.events(parsed, source))
    for only_adapter in (None, adapter):
        with contextlib.suppress(Rejected):
            for event in canonical_events(parsed, source, None, only_adapter):
                assert isinstance(event, dict | Rejected)


@given(st.dictionaries(st.integers(0, 130), st.sampled_from([*WORDS, '{"data": [{"schema": 1, "data": 5}]}', "\r"])))
def test_any_line_of_131_columns_gives_an_event_or_a_rejection(cells: dict[int, str]) -> None:
    value = "\t".join(cells.get(column, "") for column in range(131)).encode()
    from_tsv(value)
    assert_only_rejected(consumer_record(value, b"u1"))


@given(EVENTS)
def test_a_canonical_event_keeps_every_field(fields: dict[str, Any]) -> None:
    event = decoded(fields, fields["user_id"])
    expected = {"event_id": "user-events:3:991"} | fields
    expected["impression"] = tuple(expected.get("impression", ()))
    expected["time_ms"] = expected.pop("timestamp")
    assert {name: getattr(event, name) for name in expected} == expected


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), FORMAT_VALUES, min_size=1, max_size=8), min_size=1, max_size=3))
def test_an_event_of_any_key_decodes_to_itself_once_it_is_encoded_and_keyed(values: list[dict[str, Any]]) -> None:
    events, _ = decode(consumer_record(json.dumps(values).encode(), b"any"), rules=SchemaRules(check_key=False))
    for event in events:
        if isinstance(event, UserEvent):
            assert decoded_value(encode_event(event), event.user_id) == event


@given(EVENTS, st.integers(-62_000_000_000_000, 10**14 - 1))
def test_a_time_of_any_year_survives_the_encoding(fields: dict[str, Any], time: int) -> None:
    event = decoded(fields, fields["user_id"])
    event.time_ms = time
    assert decoded_value(encode_event(event), event.user_id, timestamp=0) == event


@given(EVENTS, st.data())
def test_any_mix_of_names_gives_the_same_event(fields: dict[str, Any], data: st.DataObject) -> None:
    renamed = data.draw(st.sets(st.sampled_from(sorted(fields))))
    mixed = {CAMEL.get(name, name) if name in renamed else name: value for name, value in fields.items()}
    order = data.draw(st.permutations(sorted(mixed)))
    assert decoded({name: mixed[name] for name in order}, fields["user_id"]) == decoded(fields, fields["user_id"])


@given(EVENTS, st.dictionaries(st.text(min_size=1).map("x-".__add__), JSON))
def test_unknown_fields_change_nothing(fields: dict[str, Any], unknown: dict[str, Any]) -> None:
    assert decoded(unknown | fields, fields["user_id"]) == decoded(fields, fields["user_id"])


@given(EVENTS, st.integers(-23 * 60, 23 * 60))
def test_every_form_of_time_gives_the_same_event(fields: dict[str, Any], offset_minutes: int) -> None:
    expected = decoded(fields, fields["user_id"])
    time_ms = fields["timestamp"]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    local = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    forms = [time_ms / 1000, local.isoformat(), moment.isoformat().replace("+00:00", "Z"), moment.isoformat(" ")[:-6]]
    for form in forms:
        assert decoded(fields | {"timestamp": form}, fields["user_id"]) == expected
    data = {name: value for name, value in fields.items() if name != "timestamp"}
    headers = (("ce_specversion", b"1.0"), ("ce_time", local.isoformat().encode()))
    assert decoded(data, fields["user_id"], headers) == expected


# In ms or in s, from the year 2 on: by their magnitude.
EPOCH_TIMES = (
    st.integers(FIRST_MS, -SECONDS_BELOW)
    | st.integers(SECONDS_BELOW, MS_BELOW - 1)
    | st.integers(FIRST_MS // 1000 + 1, SECONDS_BELOW - 1)
)


@given(EVENTS, EPOCH_TIMES)
def test_a_time_never_lies_far_ahead_of_its_record(fields: dict[str, Any], time: int) -> None:
    event = decoded(fields | {"timestamp": time}, fields["user_id"])
    assert event.time_ms <= NOW + 24 * 3600 * 1000
    assert decoded(fields | {"timestamp": float(time)}, fields["user_id"]) == event
