"""Refused records in the log."""

import logging

import pytest

from streams.errors import Rejected
from streams.worker.rejections import Rejections
from tests.records import record

NOT_JSON = (record(1, b"x"), Rejected("not_json", "line 1 column 1"))
MISSING = (record(1, b"x"), Rejected("missing_field", "item_id is missing"))


@pytest.mark.parametrize(("events", "refused", "logged"), [(0, 9, 0), (0, 10, 1), (2000, 15, 0), (1000, 15, 1)])
def test_many_refused_records_are_one_warning(
    caplog: pytest.LogCaptureFixture, events: int, refused: int, logged: int
) -> None:
    rejections = Rejections()
    rejections.add(events, [NOT_JSON] * refused)
    rejections.log()
    rejections.log()  # the next interval has none
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * logged


def test_the_most_frequent_reason_and_its_command_are_named(caplog: pytest.LogCaptureFixture) -> None:
    rejections = Rejections()
    rejections.add(50, [NOT_JSON] * 3 + [MISSING] * 20)
    rejections.log()
    assert "23 of 73 records were refused, most of them (20) as missing_field" in caplog.text
    assert "the first: item_id is missing" in caplog.text
    assert "interest-stream dlq list --reason missing_field" in caplog.text
