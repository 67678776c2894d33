"""What decoding passed over or replaced in records that were not refused: counted, so that it does not go unnoticed."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.schema.record import Record, position

FUTURE: Final = "that lie more than a day after their record's"
NOT_SET: Final = "that are 0001-01-01, which means none,"
_MOST_REPORTED: Final = 100


@dataclass(slots=True)
class DecodingNotes:
    """Counts of one batch or of several."""

    without_event: Counter[str] = field(default_factory=Counter)
    """Kind of record, such as "Segment identify" → records"""
    replaced_times: Counter[str] = field(default_factory=Counter)
    """FUTURE or NOT_SET → times in whose place the record's stands"""
    first: dict[str, str] = field(default_factory=dict)
    """By kind or fault: position of the first record"""

    def add_without_event(self, kind: str, record: Record) -> None:
        """A record, or an element of one, that holds no event."""
        self.without_event[kind] += 1
        self.first.setdefault(kind, position(record))

    def add_replaced_time(self, fault: str, record: Record) -> None:
        """A time in whose place the record's stands."""
        self.replaced_times[fault] += 1
        self.first.setdefault(fault, position(record))

    def add(self, other: "DecodingNotes") -> None:
        """Those of another batch, which came later."""
        self.without_event += other.without_event
        self.replaced_times += other.replaced_times
        self.first = other.first | self.first

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """What happened, in words that stay the same; how often; where first."""
        for kind, count in self.without_event.most_common():
            yield f"records of {kind} carry no event", count, self.first[kind]
        for fault, count in self.replaced_times.most_common():
            yield f"times {fault} are replaced by the record's", count, self.first[fault]


class FirstNotes:
    """Reports each kind of note once, up to a bound."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._reported: set[str] = set()

    def report_new(self, notes: DecodingNotes) -> None:
        """Reports what was not reported before."""
        for what, _, first in notes.lines():
            if what not in self._reported and len(self._reported) < _MOST_REPORTED:
                self._reported.add(what)
                self._report(f"{what}; the first: {first}")
