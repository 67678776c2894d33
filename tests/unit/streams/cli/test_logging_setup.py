import logging

import pytest

from streams.cli.logging_setup import RepeatFilter


def passed(filter_: RepeatFilter, name: str, message: str, *args: object) -> str | None:
    record = logging.LogRecord(name, logging.ERROR, "f", 1, message, args, None)
    return record.getMessage() if filter_.filter(record) else None


def test_a_librarys_repeated_message_is_written_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = iter([3.0, 12.9, 12.9, 13.1])
    monkeypatch.setattr("streams.cli.logging_setup.time.monotonic", lambda: next(now_s))
    filter_ = RepeatFilter(quiet_s=10.0)
    assert passed(filter_, "aiokafka.conn", "no %s", "a") == "no a"
    assert passed(filter_, "aiokafka.conn", "no %s", "b") is None
    assert passed(filter_, "aiokafka.conn", "other") == "other"
    assert passed(filter_, "aiokafka.conn", "no %s", "c") == "no c [and 1 more like it]"


def test_our_own_messages_are_all_written() -> None:
    filter_ = RepeatFilter()
    assert [passed(filter_, "streams.worker.app", "%d steps", n) for n in (1, 2)] == ["1 steps", "2 steps"]
