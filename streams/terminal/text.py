"""Text of others for a terminal: ids, titles and messages whose control characters would act on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

# C0 and C1 controls (escape sequences begin with one), line and paragraph separators, and the characters that turn the
# direction of what follows. Of the last, only those are kept that letters need: joiners and the plain marks.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """The text in one line, its control characters written as escapes of Python."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for a message of several lines: line ends and tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def printable_json(text: str) -> str:
    """JSON whose control characters are written as its own escapes, so that it stays the same document."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def format_time(epoch_ms: int, pattern: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Date and time in UTC, as strftime's pattern has it; the number itself where no calendar has it."""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return f"{epoch_ms} ms since 1970"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
