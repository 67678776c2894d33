"""The sum of the lines that a trainer's report writes."""

from __future__ import annotations

import logging
import time

import pytest

from bench.scale_out.trainer_lines import TrainerWork, work_in
from streams.releases.release_topic import WrittenRelease
from streams.trainer.changelog_feed import FeedLag
from streams.trainer.model import Counted, TrainStep
from streams.trainer.report import TrainingReport


def test_the_lines_of_a_report_are_summed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    caplog.set_level(logging.INFO)
    report = TrainingReport()
    for events, age_s in ((500, 1.25), (1000, None)):
        report.add_counted(Counted(events, 0))
        report.add_step(TrainStep(events // 2, 0.0))
        report.add_release(WrittenRelease(7, 4, 2 * events))
        now_s[0] += 10
        report.log_if_due(FeedLag(3, age_s))
    assert work_in(caplog.text) == TrainerWork(20.0, 1500.0, 750.0, 2, 3000)
    assert work_in(caplog.text).learnt_share == 0.5
    first_line = caplog.text.splitlines(keepends=True)[0]
    assert work_in(caplog.text, first_line) == TrainerWork(10.0, 1000.0, 500.0, 1, 2000)


def test_a_trainer_that_has_counted_nothing_has_no_share() -> None:
    assert work_in("INFO training begins with the rows that the changelog holds\n").learnt_share is None
