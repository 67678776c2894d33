"""Logging of a worker: ours from INFO on, the libraries' from WARNING on and rate-limited."""

from __future__ import annotations

import logging
import time
from collections import Counter

from streams.terminal.text import printable_lines

_LIBRARIES = ("aiokafka", "faust", "mode", "asyncio")


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


def configure_logging(level: int = logging.INFO) -> None:
    """The process logs to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s"))
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
