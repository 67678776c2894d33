import json
from pathlib import Path
from typing import Any

import pytest

from streams.files.event_logs import read_events
from tests.unit.streams.decoding import rejection, user_event, user_events

PROPERTIES: dict[str, Any] = {
    "time": 1731900000,
    "distinct_id": "u1",
    "$insert_id": "5d958f87-542d-4c10-9422-0ed75893dc81",
    "mp_processing_time_ms": 1731900099000,
    "product_id": "cd-4",
    "price": 9.5,
}
EXPORTED: dict[str, Any] = {"event": "Product Viewed", "properties": PROPERTIES}


def test_an_exported_event_has_its_own_time_and_id() -> None:
    event = user_event(EXPORTED)
    assert (event.event_type, event.item_id, event.value) == ("view", "cd-4", 9.5)
    assert (event.time_ms, event.event_id) == (1_731_900_000_000, PROPERTIES["$insert_id"])


def test_an_export_is_read_as_a_file(tmp_path: Path) -> None:
    lines = [EXPORTED, {"event": "$identify", "properties": PROPERTIES}, EXPORTED | {"event": "Opened App"}]
    path = tmp_path / "export.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = read_events(path)
    ids = [(event.user_id, event.event_type, event.time_ms, event.event_id) for event in log.events]
    common = ("u1", 1_731_900_000_000, PROPERTIES["$insert_id"])
    assert ids == [(common[0], name, *common[1:]) for name in ("view", "Opened App")]
    assert log.left_out.counts == {"no event of interest": 1}


def test_a_page_view_is_a_view_of_the_page() -> None:
    page = {"time": 1731900000, "distinct_id": "u1", "current_url_path": "/posts/7"}
    assert user_event({"event": "$mp_web_page_view", "properties": page}).item_id == "/posts/7"
    page = {"time": 1731900000, "distinct_id": "u1", "$current_url": "https://a.example/b?c=1"}
    event = user_event({"event": "$mp_web_page_view", "properties": page})
    assert (event.event_type, event.item_id) == ("view", "/b")


def test_the_user_is_the_id_that_is_the_key() -> None:
    merged = PROPERTIES | {"$user_id": "u1", "$device_id": "d", "distinct_id": "d"}
    assert user_event(EXPORTED | {"properties": merged}).user_id == "u1"
    assert user_event(EXPORTED | {"properties": merged}, key=b"d").user_id == "d"


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge"])
def test_what_joins_users_is_left_out(name: str) -> None:
    assert user_events(EXPORTED | {"event": name}) == []


def test_a_browser_cannot_send_control_records() -> None:
    assert rejection(EXPORTED | {"event": "user.delete"}).code == "wrong_type"
