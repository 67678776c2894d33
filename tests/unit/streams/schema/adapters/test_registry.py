import json
from typing import Any

import pytest

from streams.schema.adapters.registry import FORMATS, adapter_of
from tests.unit.streams.decoding import CLICK, record

EXAMPLES: dict[str, dict[str, Any]] = {
    "canonical": CLICK,
    "CloudEvents": {"specversion": "1.0", "id": "1", "source": "/s", "type": "click", "data": CLICK},
    "Amplitude": {"event_type": "click", "user_id": "u1", "time": 1, "event_properties": {}},
    "Amazon Personalize PutEvents": {"userId": "u1", "eventList": [{"eventType": "click"}]},
    "Metarank": {"event": "interaction", "user": "u1", "type": "click", "item": "i9", "timestamp": "1"},
    "Segment": {"type": "track", "event": "click", "anonymousId": "u1", "properties": {}},
    "Mixpanel": {"event": "click", "properties": {"distinct_id": "u1", "time": 1}},
    "PostHog": {"event": "click", "distinct_id": "u1"},
    "GA4 BigQuery export": {"event_name": "click", "event_timestamp": 1, "user_pseudo_id": "u1"},
    "Snowplow": {"event": "struct", "event_id": "1", "collector_tstamp": "2024-11-18", "user_id": "u1"},
    "Gorse": {"FeedbackType": "click", "UserId": "u1", "ItemId": "i9"},
}


def test_every_adapter_has_an_example() -> None:
    assert {adapter.name for adapter in FORMATS.values()} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_format_is_recognised_by_its_own_adapter_alone(name: str) -> None:
    fields = json.loads(json.dumps(EXAMPLES[name]))
    assert [adapter.name for adapter in FORMATS.values() if adapter.matches(fields, ())] == [name]


def test_what_no_adapter_knows_is_read_as_canonical() -> None:
    assert adapter_of({"uid": "u1"}, record({})).name == "canonical"
