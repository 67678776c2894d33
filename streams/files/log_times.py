"""Times of one event log, by the kind of the first one: since 1970, or since a beginning of the log's own."""

from datetime import UTC, datetime
from typing import Final

from streams.errors import Rejected
from streams.files.formats.log_error import BadLine, quoted
from streams.files.role_names import RoleNames
from streams.schema.parsing.times import SECONDS_BELOW, time_ms

_SMALLEST_DOUBTFUL_S: Final = 1900
"""A log whose first number is smaller counts from 0; from here on, years, days and spreadsheets' dates begin"""
_FIRST_DATE, _LAST_DATE, _DATE_DIGITS = 19700101, 20991231, 8


class LogTimes:
    """Reads the times of a log in the order of its lines."""

    __slots__ = ("_counts_from_0",)

    def __init__(self) -> None:
        self._counts_from_0: bool | None = None  # decided by the first time

    def ms(self, time: str | int, roles: RoleNames) -> int:
        """Epoch milliseconds of a time in any form that `user-events` accepts, or of a day as YYYYMMDD.

        Raises BadLine, for a number too whose unit is hardly seconds: it lies in 1970, but is a year or a day.
        """
        try:
            result = time_ms(time)
        except Rejected as error:
            fault = error.message.removeprefix("timestamp").removeprefix(": ")
            fault = fault if error.code == "out_of_range" else "an epoch time (s, ms, µs, ns) or ISO-8601 is expected"
            raise _bad("the time is not understood", time, roles, f": {fault}") from None
        if result is None:
            raise _bad("the time is not set", time, roles, ", which means none")
        if result >= SECONDS_BELOW:
            self._counts_from_0 = self._counts_from_0 or False
            return result
        number = _number(time)
        if self._counts_from_0 is None:
            self._counts_from_0 = number is not None and number < _SMALLEST_DOUBTFUL_S
        if number is None or number < 0:
            return result
        day_ms = _day_ms(str(time))
        if not self._counts_from_0:
            if day_ms is None:
                column = quoted(roles.names.get("time", "time"))
                fault = f": the times lie in 1970: is column {column} in seconds since 1970?"
                raise _bad("the times lie in 1970", time, roles, fault)
            return day_ms
        if day_ms is not None:
            raise _bad("the time is a day or seconds", time, roles, ": a day, or seconds? The first time counts from 0")
        return result


def _bad(reason: str, time: str | int, roles: RoleNames, fault: str) -> BadLine:
    return BadLine(reason, f"{roles.describe('time')} is {quoted(str(time))}{fault}")


def _number(time: str | int) -> float | None:
    try:
        return float(time)
    except ValueError:
        return None


def _day_ms(text: str) -> int | None:
    """Epoch milliseconds of a day as YYYYMMDD; None for any other text."""
    text = text.strip()
    if len(text) != _DATE_DIGITS or not text.isdigit() or not _FIRST_DATE <= int(text) <= _LAST_DATE:
        return None
    try:
        return int(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None
