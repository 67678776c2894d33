"""What the demo's page knows of synthetic users."""

from pathlib import Path

import pytest

from streams.demo.input import DemoOptions, load_input
from streams.demo.live_page import true_interests
from streams.errors import StreamError
from streams.web.truths import read_truths, write_truths


def test_the_true_interest_of_a_synthetic_user_is_the_topic_of_each_event(tmp_path: Path) -> None:
    demo_input = load_input(DemoOptions(limit=3000))
    assert demo_input.true_topic is not None
    write_truths(tmp_path / "truth.json", true_interests(demo_input))
    truths = read_truths(tmp_path / "truth.json")
    changes = 0
    for index, event in enumerate(demo_input.events):
        points = truths[event.user_id].points
        past = [point for point in points if point.event_time <= event.time_ms]
        same_time = {point.categories[0].category for point in points if point.event_time == event.time_ms}
        assert demo_input.true_topic(index) in {past[-1].categories[0].category, *same_time}
        changes += len(points) > 1
    assert changes
    assert all(
        before.categories != after.categories
        for truth in truths.values()
        for before, after in zip(truth.points, truth.points[1:], strict=False)
    )


def test_of_a_log_nothing_is_known(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"user_id": "u1", "item_id": "i1", "timestamp": 1700000000}\n')
    assert true_interests(load_input(DemoOptions(events=log))) == []


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('[{"user": "u1"}]')
    with pytest.raises(StreamError, match=r"truth\.json: is not a file of true interests"):
        read_truths(tmp_path / "truth.json")
