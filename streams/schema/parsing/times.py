"""Event times in every accepted form, as epoch milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.errors import Rejected

SECONDS_BELOW: Final = 10**11
"""A smaller number is epoch seconds, a larger one epoch milliseconds (from 1973-03-03 on)."""
MS_BELOW: Final = 10**14
"""A larger number is epoch microseconds; as milliseconds it is the year 5138, the last one that is accepted."""
_US_BELOW: Final = 10**17
_NS_BELOW: Final = 10**20
_ZERO_MS: Final = -62_135_596_800_000  # 0001-01-01, what .NET, Go and Java write where no time was set
_DAY_MS: Final = 24 * 3600 * 1000
FIRST_MS: Final = _ZERO_MS + 366 * _DAY_MS
"""No accepted time is earlier, so that every one can be shown in any time zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO_8601: Final = re.compile(r"\d{4}-\d\d-\d\d([Tt ]|$)|\d{8}[Tt ]", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?", re.ASCII)


def time_ms(time: object) -> int | None:
    """Epoch ms of an epoch time in s, ms, µs or ns (by magnitude), as a number or in a string, or of ISO-8601.

    None for the zero time 0001-01-01, which means that none was set. Raises Rejected.
    """
    if isinstance(time, str):
        text = time.strip()
        number = _NUMBER.fullmatch(text)
        if number is None:
            result = _iso_ms(text)
        else:
            result = _epoch_ms(int(text) if number[1] is None and number[2] is None else float(text))
    elif isinstance(time, bool) or not isinstance(time, int | float):
        raise Rejected("wrong_type", "timestamp: must be a number or an ISO-8601 string")
    else:
        result = _epoch_ms(time)
    if FIRST_MS <= result < MS_BELOW:
        return result
    if _ZERO_MS - 2 * _DAY_MS < result < FIRST_MS:  # two days: the zero time in any time zone
        return None
    raise Rejected("out_of_range", "timestamp: lies outside of the years 2 to 5138")


def _epoch_ms(time: float) -> int:
    size = abs(time)
    if size < SECONDS_BELOW:
        return round(time * 1000)
    if size < MS_BELOW:
        return int(time)
    if size < _US_BELOW:
        return int(time // 1000)
    if size < _NS_BELOW:
        return int(time // 1_000_000)
    raise Rejected("out_of_range", "timestamp: too large even for nanoseconds since 1970")


def _iso_ms(time: str) -> int:
    try:
        # fromisoformat alone would read the digits of an epoch as a date of the year 1731.
        date_time = datetime.fromisoformat(time.upper().removesuffix(" UTC") if _ISO_8601.match(time) else "")
    except ValueError:
        raise Rejected("bad_timestamp", f"timestamp {time[:40]!r} is neither a number nor ISO-8601") from None
    return ((date_time if date_time.tzinfo else date_time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
