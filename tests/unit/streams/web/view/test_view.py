from collections.abc import Iterator
from pathlib import Path

import pytest

from state.errors import FolderInUseError
from streams.kafka.offset_reader import Position, TopicShape
from streams.schema.predictions import Horizon
from streams.settings.settings import Settings, load_settings
from streams.web.api.users import interests_of
from streams.web.view.view import View
from tests.unit.streams.web.predictions import prediction

HOUR_MS = 3_600_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, [f"web.data_dir={tmp_path}", "topics.partitions=2"])


@pytest.fixture
def view(settings: Settings) -> Iterator[View]:
    view = View(settings)
    yield view
    view.close()


def put(view: View, *users: str) -> None:
    batch = view.new_batch()
    for user in users:
        view.users.put(prediction(user), "0:1", batch)
    view.positions.put({(view.topics.interest_predictions, 0): 40, (view.topics.user_events, 0): 40}, batch)
    view.store(batch)


def topics(
    view: View, end: int, topic_id: str = "A"
) -> tuple[dict[str, TopicShape], dict[Position, int], dict[Position, int]]:
    names = view.topics.interest_predictions, view.topics.user_events
    positions = [(name, partition) for name in names for partition in range(2)]
    return (
        {name: TopicShape(topic_id, 2) for name in names},
        dict.fromkeys(positions, 0),
        dict.fromkeys(positions, end),
    )


def test_it_goes_on_from_what_was_read_and_of_events_only_the_newest_are_read(view: View) -> None:
    put(view, "u")
    predictions, events = view.topics.interest_predictions, view.topics.user_events
    assert view.begin(*topics(view, 1_000_000)) == {
        (predictions, 0): 40,
        (predictions, 1): 0,
        (events, 0): 990_000,  # too far behind
        (events, 1): 990_000,
    }
    assert view.begin(*topics(view, 50))[events, 0] == 40
    assert view.meta.users == 1


@pytest.mark.parametrize(("end", "topic_id"), [(39, "A"), (1000, "B")])
def test_users_of_a_topic_that_is_gone_are_dropped(view: View, end: int, topic_id: str) -> None:
    view.begin(*topics(view, 1000))
    put(view, "u")
    offsets = view.begin(*topics(view, end, topic_id))
    assert offsets[view.topics.interest_predictions, 0] == 0
    assert (view.meta.users, view.users.get("u"), view.users.history("u")) == (0, None, [])
    assert view.audience.snapshot().items == []


def test_the_outlook_of_a_user_is_answered_as_predicted(view: View) -> None:
    """Also that of workers which told neither types nor spending."""
    known = Horizon(30, ["Drama"], [0.5], ["i1"], [0.25], {"purchase": 0.125}, 2.5)
    for user, horizon in (("new", known), ("old", Horizon(30, [], [], [], []))):
        batch = view.new_batch()
        view.users.put(prediction(user, horizons=[horizon], return_p={"30": 0.75}), "0:1", batch)
        view.store(batch)
        row = view.users.get(user)
        assert row is not None
        (shown,) = interests_of(user, row, view.catalog, 10).horizons
        expected = ({"purchase": 0.125}, 2.5) if user == "new" else ({}, None)
        assert (shown.type_p, shown.spent) == expected
        assert [item.item_id for item in shown.items] == horizon.items


def test_brokers_without_ids_of_topics_are_no_reason(view: View) -> None:
    view.begin(*topics(view, 1000))
    put(view, "u")
    view.begin(*topics(view, 1000, ""))
    assert view.meta.users == 1


def test_a_view_that_may_have_missed_an_erasure_is_made_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(settings)
    now_ms = view.meta.written_ms or 1_800_000_000_000
    for hours, users in ((0, 1), (19, 1), (40, 0)):
        monkeypatch.setattr("streams.web.view.view._now_ms", lambda hours=hours: now_ms + hours * HOUR_MS)
        view.begin(*topics(view, 1000))
        if not hours:
            put(view, "u")
        assert view.meta.users == users, hours
    view.close()


def test_a_folder_is_one_servers(view: View, settings: Settings) -> None:
    with pytest.raises(FolderInUseError, match=r"--set web\.data_dir=FOLDER"):
        View(settings)
