"""Standard output as it is given: closed, or of an encoding that has not every character."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def prepare_output(arguments: Sequence[str]) -> str | None:
    """What to say where the command cannot write; None otherwise.

    A character that the encoding of the output lacks is written as a question mark. Without an output a worker runs,
    because it logs to standard error.
    """
    if sys.stdout is None:
        if "worker" not in arguments:
            return "standard output is closed: redirect it, to a file or /dev/null"
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - of the process, until its end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return None


def utf8_argument(text: str) -> str:
    """The argument as UTF-8, whatever the locale. Raises ValueError for bytes that are no UTF-8."""
    return os.fsencode(text).decode()
