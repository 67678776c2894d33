"""Logging of a worker: ours from INFO on, the libraries' from WARNING on and rate-limited.

What passes by itself is INFO and one line: a broker that starts later or restarts, a group that rebalances, a
transactional id that has expired. It has the level that it was logged with once it has lasted.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Literal

from streams.terminal.text import printable_lines

_LIBRARIES = ("aiokafka", "faust", "mode", "asyncio")
PATIENCE_S = 30.0
"""So long a fault is one that may pass"""
_PAUSE_S = 20.0  # without a record for so long, a fault has passed


class TransientFaults(logging.Filter):
    """Writes faults that may pass as INFO, and without their traceback, until they have lasted for PATIENCE_S.

    Those are the clients', which raise what they cannot retry, and ours that are logged as TRANSIENT.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lasting: dict[tuple[str, str], tuple[float, float]] = {}  # message → first and last time

    def filter(self, record: logging.LogRecord) -> bool:
        """True: every record is written."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not (_is_clients(type(error).__module__) or isinstance(error, OSError)):
            return True  # a bug
        if not _is_clients(record.name) and not getattr(record, "transient", False):
            return True
        message, now = (record.name, str(record.msg)), time.monotonic()
        first, last = self._lasting.get(message, (now, now))
        if now - last > _PAUSE_S:
            first = now
        self._lasting[message] = first, now
        if now - first < PATIENCE_S and record.levelno > logging.INFO:
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        if error is not None and isinstance(record.args, tuple):
            record.msg, record.args = f"{record.msg}: %r", (*record.args, error)
            record.exc_info = record.exc_text = None
        return True


def _is_clients(module: str) -> bool:
    return module.partition(".")[0] == "aiokafka" or module.startswith("faust.transport")


class UnnamedErrors(logging.Filter):
    """Writes an error that has no text, such as TimeoutError, by its name: a library ends its line with it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True: every record is written."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                type(arg).__name__ if isinstance(arg, BaseException) and not str(arg) else arg for arg in record.args
            )
        return True


class RepeatFilter(logging.Filter):
    """Passes a library's message once in `quiet_s`, however its arguments change; ours always.

    With its broker down, aiokafka writes most of a megabyte a minute.
    """

    def __init__(self, quiet_s: float = 10.0) -> None:
        super().__init__()
        self._quiet_s = quiet_s
        self._passed: dict[tuple[str, str], float] = {}
        self._dropped: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; one that is says how many like it were not."""
        if record.name.partition(".")[0] not in _LIBRARIES:
            return True
        message, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._passed.get(message, -self._quiet_s) < self._quiet_s:
            self._dropped[message] += 1
            return False
        self._passed[message] = now
        if dropped := self._dropped.pop(message, 0):
            record.msg = f"{record.msg} [and {dropped} more like it]"
        return True


class PrintableFormatter(logging.Formatter):
    """Writes control characters of ids and messages as escapes, so that they cannot act on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines where there is a traceback."""
        return printable_lines(super().format(record))


class JsonFormatter(logging.Formatter):
    """Writes each record as a JSON object in a line of ASCII, which no control character or line break can divide."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; `exception` is there where the record has one."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry).replace("\x7f", "\\u007f")  # the one control character that JSON leaves


def configure_logging(level: int = logging.INFO, style: Literal["text", "json"] = "text") -> None:
    """The process logs to standard error."""
    handler = logging.StreamHandler()
    text = PrintableFormatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    handler.addFilter(UnnamedErrors())
    handler.addFilter(TransientFaults())
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
