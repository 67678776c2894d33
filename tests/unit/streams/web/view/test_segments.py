from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.kafka.offset_reader import TopicShape
from streams.schema.churn import ChurnWarning, Level
from streams.schema.predictions import Horizon
from streams.settings.settings import Settings, load_settings
from streams.web.api.segments import sizes_over_time
from streams.web.segment_publisher import changed_sizes
from streams.web.view.segments import Segment
from streams.web.view.view import View
from tests.unit.streams.web.predictions import prediction


def warning(user: str, level: Level) -> ChurnWarning:
    return ChurnWarning(user, level, 7, 5, 0.75, "silence", 9.0, 3.0, 1.0, [], [], [], [], "00000001.1", 3)


def over_a_month(category: str) -> list[Horizon]:
    return [Horizon(1, ["Drama"], [0.9], [], []), Horizon(30, [category, "Drama"], [0.5, 0.4], [], [])]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, [f"web.data_dir={tmp_path}", "topics.partitions=1", "churn.enabled=true"])


@pytest.fixture
def view(settings: Settings) -> Iterator[View]:
    view = View(settings)
    yield view
    view.close()


def put(view: View, user: str, category: str | None = None, offset: int = 0) -> None:
    batch = view.new_batch()
    fields: dict[str, Any] = {} if category is None else {"horizons": over_a_month(category), "return_p": {"30": 0.5}}
    view.users.put(prediction(user, offset, **fields), f"0:{offset}", batch)
    view.store(batch)


def warn(view: View, user: str, level: Level | None) -> None:
    batch = view.new_batch()
    view.segments.warn(user, None if level is None else warning(user, level), batch)
    view.store(batch)


def sizes(view: View) -> dict[tuple[str, int], int]:
    return {(segment.category, segment.level): users for segment, users in view.segments.sizes()}


def test_each_user_is_in_one_segment_by_the_longest_horizon_and_the_newest_warning(view: View) -> None:
    put(view, "u1", "Sci-Fi")
    put(view, "u2", "Sci-Fi")
    put(view, "u3")
    assert sizes(view) == {("Sci-Fi", 0): 2, ("Drama", 0): 1}
    warn(view, "u1", "at_risk")
    warn(view, "u3", "lost")
    assert sizes(view) == {("Sci-Fi", 0): 1, ("Sci-Fi", 1): 1, ("Drama", 2): 1}
    put(view, "u1", "Comedy", 1)
    assert sizes(view) == {("Sci-Fi", 0): 1, ("Comedy", 1): 1, ("Drama", 2): 1}
    warn(view, "u1", "none")
    warn(view, "u3", None)
    assert sizes(view) == {("Sci-Fi", 0): 1, ("Comedy", 0): 1, ("Drama", 0): 1}


def test_a_warning_may_come_before_the_prediction_and_outlive_it(view: View) -> None:
    warn(view, "u1", "at_risk")
    assert sizes(view) == {}
    put(view, "u1", "Sci-Fi")
    assert sizes(view) == {("Sci-Fi", 1): 1}
    batch = view.new_batch()
    view.users.erase("u1", batch)
    view.segments.warn("u1", None, batch)
    view.store(batch)
    assert sizes(view) == {}
    assert view.segments.risk("u1") is None


def test_sizes_are_there_after_a_restart_and_counted_anew_where_they_do_not_fit(settings: Settings) -> None:
    view = View(settings)
    put(view, "u1", "Sci-Fi")
    put(view, "u2", "Drama")
    warn(view, "u2", "lost")
    view.close()
    again = View(settings)
    assert sizes(again) == {("Sci-Fi", 0): 1, ("Drama", 2): 1}
    again.meta.users = 3
    again.store(again.new_batch())
    again.close()
    recounted = View(settings)
    assert sizes(recounted) == {("Sci-Fi", 0): 1, ("Drama", 2): 1}
    recounted.close()


def test_where_the_topic_of_warnings_is_created_again_nobody_is_at_risk(view: View) -> None:
    topic = view.topics.interest_churn
    put(view, "u1", "Sci-Fi")
    warn(view, "u1", "lost")
    batch = view.new_batch()
    view.positions.put({(topic, 0): 9}, batch)
    view.store(batch)
    view.begin({topic: TopicShape("A", 1)}, {(topic, 0): 0}, {(topic, 0): 9})
    assert sizes(view) == {("Sci-Fi", 2): 1}
    view.begin({topic: TopicShape("B", 1)}, {(topic, 0): 0}, {(topic, 0): 2})
    assert sizes(view) == {("Sci-Fi", 0): 1}


def test_snapshots_have_the_sizes_over_time(view: View) -> None:
    put(view, "u1", "Sci-Fi")
    first = view._snapshot()
    put(view, "u2")
    warn(view, "u2", "lost")
    series = [(10, first), (20, view._snapshot())]
    by_risk, by_category = sizes_over_time(series, "risk"), sizes_over_time(series, "category")
    assert (by_risk.times, by_risk.users) == ([10, 20], [1, 2])
    assert {sizes.name: sizes.users for sizes in by_risk.series} == {"none": [1, 1], "at_risk": [0, 0], "lost": [0, 1]}
    assert {sizes.name: sizes.users for sizes in by_category.series} == {"Sci-Fi": [1, 1], "Drama": [0, 1]}
    assert sizes_over_time([], "category").series == []


def test_sizes_that_have_changed_are_published_and_empty_segments_once() -> None:
    before, now = {Segment("a", 0): 2, Segment("b", 1): 1}, {Segment("a", 0): 2, Segment("", 2): 2}
    gone, unknown = changed_sizes(before, now, 5)[::-1]
    assert (gone.category, gone.risk, gone.users) == ("b", "at_risk", 0)
    assert (unknown.category, unknown.risk, unknown.users, unknown.share) == (None, "lost", 2, 0.5)
    assert [size.encode()[0] for size in (gone, unknown)] == [b"at_risk/b", b"lost"]
    assert changed_sizes(now, now, 6) == []
