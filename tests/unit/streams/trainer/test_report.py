import logging
import time

import pytest

from streams.releases.release_topic import WrittenRelease
from streams.trainer.changelog_feed import FeedLag
from streams.trainer.model import Counted, TrainStep
from streams.trainer.report import TrainingReport


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_every_ten_seconds_one_line_says_what_was_counted_learnt_and_released(
    seconds: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = TrainingReport()
    report.add_counted(Counted(500, 0))
    report.add_step(TrainStep(128, 0.5))
    report.add_step(TrainStep(122, 0.25))
    report.add_release(WrittenRelease(7, 4, 1000))
    report.add_release(WrittenRelease(8, 4, 3000))
    seconds[0] += 9.9
    report.log_if_due(FeedLag(3, 1.25))
    assert caplog.messages == []
    seconds[0] += 0.1
    report.log_if_due(FeedLag(3, 1.25))
    assert caplog.messages == [
        "50 events/s counted, 25 learnt in 10.0 s; 3 records behind, the last one written 1.2 s ago; "
        "2 releases up to 8, 2000 bytes each"
    ]
    seconds[0] += 10
    report.log_if_due(FeedLag(0, None))  # nothing happened
    assert len(caplog.messages) == 1


def test_influence_that_is_left_out_of_learning_is_reported(
    seconds: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = TrainingReport()
    report.add_counted(Counted(500, 0))
    report.add_step(TrainStep(128, 40.0))
    for _ in range(2):
        seconds[0] += 10
        report.log_if_due(FeedLag(3, None))
    (message,) = (message for message in caplog.messages if "left out of learning" in message)
    assert message.startswith("the influence of 40 of the events")


def test_events_that_rows_do_not_hold_are_a_warning(seconds: list[float], caplog: pytest.LogCaptureFixture) -> None:
    report = TrainingReport()
    report.add_counted(Counted(50, 7))
    for _ in range(2):
        seconds[0] += 10
        report.log_if_due(FeedLag(0, None))
    (message,) = caplog.messages
    assert message.startswith("7 events were neither counted nor learnt")
