import math
from pathlib import Path

import pytest

from streams.demo.metrics import DemoMetrics, has_repeats
from streams.files.event_logs import read_events
from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from streams.schema.predictions import Carriers, Prediction, Source

ML_100K = Path(__file__).parents[5] / "shared/data/ml-100k/ml-100k.inter"


def events(*pairs: str) -> list[LoggedEvent]:
    """Events of "user item" pairs."""
    return [LoggedEvent(pair[0], pair[2], n, "view", f"e{n}") for n, pair in enumerate(pairs)]


def prediction(index: int, user: str, *items: str) -> Prediction:
    return Prediction(
        f"p{index}", user, f"e{index}", 0, 0, "m0", 1, Source("user-events", 0, index),
        list(items), [], 1.0, [], [], [], [], 0.0, Carriers(0.0, 0.0, 0.0, 1.0),
    )  # fmt: skip


def replayed(log: list[LoggedEvent], predicted: dict[int, list[str]], allow_repeats: bool = True) -> DemoMetrics:
    """The metrics after all events were sent at second 0, and each predicted at second 1."""
    metrics = DemoMetrics(log, allow_repeats)
    metrics.record_sent(len(log), 0.0)
    for index, event in enumerate(log):
        metrics.record_prediction(prediction(index, event.user_id, *predicted.get(index, [])), 1.0)
    return metrics


def test_a_hit_is_an_item_of_the_users_previous_prediction() -> None:
    log = events("a x", "b y", "a y", "b x")
    metrics = replayed(log, {0: ["y"], 1: ["y"], 2: ["x"], 3: ["x"]})
    assert metrics.running_recall()[0] == 1 / 4  # a's y; b's x was predicted for a, and b's own guess was wrong


def test_first_appearances_and_first_events_are_misses() -> None:
    log = events("a x", "a y", "b y")
    metrics = replayed(log, {0: ["y"], 1: ["y"]})
    assert metrics.running_recall()[0] == 0.0


def test_only_the_first_ten_items_count() -> None:
    log = events("b x", "a y", "a x")
    others = [f"o{n}" for n in range(9)]
    assert replayed(log, {1: [*others, "x"]}).running_recall()[0] == 1 / 3
    assert replayed(log, {1: [*others, "o9", "x"]}).running_recall()[0] == 0.0


def test_the_final_score_is_that_of_the_last_part() -> None:
    log = events(*["a x"] * 10)
    metrics = replayed(log, {index: ["x"] for index in range(7, 10)})
    assert metrics.final_recall() == (2 / 3, 1.0)
    assert metrics.running_recall() == (2 / 10, 9 / 10)


def test_popularity_never_suggests_an_item_again_without_repeats() -> None:
    log = events("a x", "a x", "b x")
    assert replayed(log, {}).running_recall()[1] == 2 / 3
    assert replayed(log, {}, allow_repeats=False).running_recall()[1] == 1 / 3


def test_events_about_no_item_are_not_scored() -> None:
    log = [LoggedEvent("a", "", 0, "search", "e0"), *events("a x", "a x")[1:]]
    metrics = replayed(log, {0: ["x"]})
    assert metrics.running_recall() == (0.0, 0.0)


def test_latency_runs_from_sending_to_reading() -> None:
    metrics = DemoMetrics(events("a x", "b y", "a x"), allow_repeats=True)
    assert all(map(math.isnan, metrics.latency_ms()))
    metrics.record_sent(2, 10.0)
    metrics.record_sent(3, 11.0)
    metrics.record_prediction(prediction(1, "b"), 10.5)
    metrics.record_prediction(prediction(0, "a"), 10.1)
    assert (metrics.sent, metrics.predicted) == (3, 2)
    p50, p99 = metrics.latency_ms()
    assert p50 == pytest.approx(300)
    assert p99 == pytest.approx(496)


def test_a_second_prediction_of_an_event_is_counted_and_changes_nothing() -> None:
    log = events("b x", "a y", "a x")
    metrics = replayed(log, {1: []})
    metrics.record_prediction(prediction(1, "a", "x"), 9.0)
    assert (metrics.duplicate_predictions, metrics.predicted) == (1, 3)
    assert metrics.running_recall()[0] == 0.0
    assert metrics.latest["a"].caused_by == "e2"
    assert metrics.event(metrics.latest["a"]) == log[2]


def test_two_events_with_one_id_are_refused() -> None:
    with pytest.raises(LogError, match="event ids are not unique"):
        DemoMetrics([*events("a x"), *events("b y")], allow_repeats=True)


def test_has_repeats() -> None:
    assert not has_repeats(events("a x", "b x", "a y"))
    assert has_repeats(events("a x", "b x", "a x"))
    assert not has_repeats([LoggedEvent("a", "", n, "search", f"e{n}") for n in range(2)])


@pytest.mark.real_log
@pytest.mark.skipif(not ML_100K.is_file(), reason=f"{ML_100K} is not there")
def test_decayed_popularity_on_movielens_100k() -> None:
    log = read_events(ML_100K).events
    metrics = DemoMetrics(log, allow_repeats=False)
    metrics.record_sent(len(log), 0.0)
    assert not has_repeats(log)
    assert metrics.final_recall()[1] == pytest.approx(0.0769, abs=0.0001)
