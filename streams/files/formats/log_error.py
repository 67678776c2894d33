"""Errors of input files: of a whole file, and of one line."""

from streams.errors import StreamError

_SHOWN_CHARACTERS = 60


class LogError(StreamError):
    """An input file that cannot be read; the message names file, line and fault."""


class BadLine(Exception):  # noqa: N818 - an outcome of parsing that --skip-bad expects
    """One line that cannot be used; the other lines can.

    `reason` is the same text for all lines with this fault, so that they can be counted; `message` is about this line.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message


def quoted(text: str) -> str:
    """The text in quotes, shortened, with control characters escaped: safe to print."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")
