import json
import logging
from datetime import datetime

import pytest
from aiokafka.errors import InvalidProducerIdMapping

from streams.cli.logging_setup import PATIENCE_S, JsonFormatter, RepeatFilter, TransientFaults, UnnamedErrors
from streams.log_levels import TRANSIENT


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


def faulty(name: str, error: Exception | None = None, transient: bool = False) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, None)
    record = logging.LogRecord(name, logging.ERROR, "f", 1, "no %s", ("answer",), exc_info)
    vars(record).update(TRANSIENT if transient else {})
    assert TransientFaults().filter(record)
    return record


def test_what_passes_by_itself_is_a_line_of_level_info() -> None:
    for record in (faulty("aiokafka.conn"), faulty("streams.worker.step_loop", transient=True)):
        assert (record.levelname, record.getMessage()) == ("INFO", "no answer")
    record = faulty("aiokafka.producer.sender", InvalidProducerIdMapping())
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert record.getMessage() == "no answer: InvalidProducerIdMapping()"


@pytest.mark.parametrize(("name", "error"), [("streams.worker.app", None), ("aiokafka.conn", ZeroDivisionError())])
def test_other_faults_and_bugs_of_the_client_keep_their_level(name: str, error: Exception | None) -> None:
    record = faulty(name, error)
    assert record.levelno == logging.ERROR
    assert (record.exc_info is None) == (error is None)


def test_a_fault_that_lasts_has_its_level_again_until_it_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    times_s = [0.0, PATIENCE_S / 2, PATIENCE_S, PATIENCE_S + 10, PATIENCE_S + 100]
    now_s = iter(times_s)
    monkeypatch.setattr("streams.cli.logging_setup.time.monotonic", lambda: next(now_s))
    filter_, levels = TransientFaults(), []
    for _ in times_s:
        record = logging.LogRecord("aiokafka.conn", logging.ERROR, "f", 1, "no answer", (), None)
        filter_.filter(record)
        levels.append(record.levelname)
    assert levels == ["INFO", "INFO", "ERROR", "ERROR", "INFO"]


def test_an_error_without_text_is_written_by_its_name() -> None:
    arguments = ("127.0.0.1", 9092, TimeoutError())
    record = logging.LogRecord("aiokafka", logging.ERROR, "f", 1, "unable to connect to %s:%d: %s", arguments, None)
    assert UnnamedErrors().filter(record)
    assert record.getMessage() == "unable to connect to 127.0.0.1:9092: TimeoutError"


def test_json_is_one_object_per_line_whatever_the_message_holds() -> None:
    try:
        raise ZeroDivisionError("of\nlines")
    except ZeroDivisionError as error:
        exc_info = (type(error), error, error.__traceback__)
    hostile = "é\x1b[31m\n\x7f\u2028\udcff"
    record = logging.LogRecord("streams.worker.app", logging.ERROR, "f", 1, "no %s", (hostile,), exc_info)
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert entry["message"] == f"no {hostile}"
    assert (entry["level"], entry["logger"], entry["process"]) == ("ERROR", "streams.worker.app", record.process)
    assert entry["exception"].endswith("ZeroDivisionError: of\nlines")
    assert datetime.fromisoformat(entry["time"]).timestamp() == pytest.approx(record.created, abs=0.001)
