import logging
import time

from streams.cli.logging_setup import RepeatFilter


def passed(filter_: RepeatFilter, name: str, message: str, *args: object) -> str | None:
    record = logging.LogRecord(name, logging.ERROR, "f", 1, message, args, None)
    return record.getMessage() if filter_.filter(record) else None


def test_a_librarys_repeated_message_is_written_once_and_counted() -> None:
    filter_ = RepeatFilter(quiet_s=0.05)
    assert passed(filter_, "aiokafka.conn", "no %s", "a") == "no a"
    assert passed(filter_, "aiokafka.conn", "no %s", "b") is None
    assert passed(filter_, "aiokafka.conn", "other") == "other"
    time.sleep(0.06)  # the filter's own clock
    assert passed(filter_, "aiokafka.conn", "no %s", "c") == "no c [and 1 more like it]"


def test_our_own_messages_are_all_written() -> None:
    filter_ = RepeatFilter()
    assert [passed(filter_, "streams.worker.app", "%d steps", n) for n in (1, 2)] == ["1 steps", "2 steps"]
