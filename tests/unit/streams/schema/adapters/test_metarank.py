from typing import Any

from streams.schema.events import ItemUpsert
from tests.unit.streams.decoding import events_of, user_event

INTERACTION: dict[str, Any] = {
    "event": "interaction",
    "id": "mr-2",
    "ranking": "mr-1",
    "timestamp": "1731900000123",
    "user": "u1",
    "session": "s-5",
    "type": "click",
    "item": "movie-8",
    "fields": [],
}


def test_an_interaction_is_an_event() -> None:
    event = user_event(INTERACTION)
    assert (event.event_type, event.item_id, event.event_id) == ("click", "movie-8", "mr-2")
    assert (event.time_ms, event.session_id) == (1_731_900_000_123, "s-5")


def test_a_ranking_is_an_impression_of_its_items() -> None:
    items = [{"id": "movie-8", "relevancy": 2.0}, {"id": "movie-3"}]
    ranking = {name: value for name, value in INTERACTION.items() if name not in ("type", "item", "ranking")}
    event = user_event(ranking | {"event": "ranking", "items": items})
    assert (event.event_type, event.item_id, event.impression) == ("impression", "movie-8", ("movie-8", "movie-3"))


def test_an_item_is_described() -> None:
    fields = [
        {"name": "title", "value": "Night Train"},
        {"name": "genres", "value": ["drama", "noir"]},
        {"name": "popularity", "value": 55},
    ]
    item = {"event": "item", "id": "mr-0", "timestamp": "1731900000000", "item": "movie-8", "fields": fields}
    assert events_of(item, key=b"movie-8") == [
        ItemUpsert(item_id="movie-8", title="Night Train", categories=("drama", "noir"))
    ]


def test_an_event_that_describes_a_user_is_left_out() -> None:
    assert events_of({"event": "user", "id": "mr-9", "timestamp": "1", "user": "u1", "fields": []}) == []
