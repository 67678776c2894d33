"""What a trainer has done, by the lines that it logs (streams/trainer/report.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(
    r"(\d+) events/s counted, (\d+) learnt in ([\d.]+) s; .*; (\d+) releases up to \d+, (\d+) bytes each"
)


@dataclass(frozen=True, slots=True)
class TrainerWork:
    """Within some time."""

    seconds: float
    counted: float
    """Events"""
    learnt: float
    """Events that optimizer steps took"""
    releases: int
    released_bytes: int

    @property
    def learnt_share(self) -> float | None:
        """Of the counted events; None without any."""
        return round(min(self.learnt / self.counted, 1.0), 4) if self.counted else None


def work_in(lines: str, without: str = "") -> TrainerWork:
    """The sum of the lines of a log, but for those that were in it when it was `without`."""
    seconds, counted, learnt, releases, size = 0.0, 0.0, 0.0, 0, 0
    for match in _LINE.finditer(lines.removeprefix(without)):
        length = float(match[3])
        seconds += length
        counted += int(match[1]) * length
        learnt += int(match[2]) * length
        releases += int(match[4])
        size += int(match[4]) * int(match[5])
    return TrainerWork(seconds, counted, learnt, releases, size)
