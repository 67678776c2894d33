"""Events of a file in order of time, in constant memory: as they lie, or by an external merge sort on disk.

A first pass over the file finds its bad lines, before any event is sent, and whether its times never decrease. If they
do not, a second pass reads the events in their order. Else it writes sorted runs to one temporary file (in TMPDIR),
which are merged while the events are read; equal times keep the file's order. The file needs about 100 bytes an event.
"""

import heapq
import marshal
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import IO

from streams.files.formats.log_error import LogError
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent

RUN_EVENTS = 100_000
"""Events in memory at a time"""
_BLOCK_EVENTS = 64  # of a run, read at a time while merging: a thousand runs have as many events in memory as one run
_PROGRESS_EVENTS = 10_000
_BY_TIME = attrgetter("time_ms")

EventsOf = Callable[[LeftOut], Iterator[LoggedEvent]]
"""Reads the file from its beginning and counts what it leaves out"""


@dataclass(frozen=True, slots=True)
class OrderedEvents:
    """Events in order of time."""

    total: int
    in_file_order: bool
    left_out: LeftOut
    events: Iterable[LoggedEvent]
    """May be iterated once"""


@contextmanager
def in_time_order(
    events_of: EventsOf, on_progress: Callable[[int], None] = lambda events: None, run_events: int = RUN_EVENTS
) -> Iterator[OrderedEvents]:
    """The events sorted by time; the temporary file is removed at the end."""
    left_out, total, latest = LeftOut(), 0, None
    for total, event in enumerate(events_of(left_out), 1):
        if latest is not None and event.time_ms < latest:
            break
        latest = event.time_ms
        if total % _PROGRESS_EVENTS == 0:
            on_progress(total)
    else:
        # As many as were counted: the file may have grown.
        yield OrderedEvents(total, True, left_out, islice(events_of(LeftOut()), total))
        return
    left_out, total = LeftOut(), 0
    with ExitStack() as stack:
        try:
            runs = _Runs(stack.enter_context(tempfile.TemporaryFile(prefix="interest-sort-")))
            events = events_of(left_out)
            while run := list(islice(events, run_events)):
                run.sort(key=_BY_TIME)
                runs.append(run)
                total += len(run)
                on_progress(total)
            iterators = runs.iterators()
        except OSError as error:
            fault = f"events cannot be sorted in {tempfile.gettempdir()}: {error.strerror}"
            raise LogError(f"{fault}; TMPDIR names another folder") from error
        yield OrderedEvents(total, False, left_out, heapq.merge(*iterators, key=_BY_TIME))


class _Runs:
    """Sorted runs in a file, as blocks of marshalled tuples, each behind its length."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._starts: list[int] = []

    def append(self, run: list[LoggedEvent]) -> None:
        """Write a sorted run."""
        self._starts.append(self._file.tell())
        for start in range(0, len(run), _BLOCK_EVENTS):
            block = marshal.dumps([_fields(event) for event in run[start : start + _BLOCK_EVENTS]])
            self._file.write(len(block).to_bytes(4, "little") + block)

    def iterators(self) -> list[Iterator[LoggedEvent]]:
        """The events of each run."""
        self._file.flush()
        ends = [*self._starts[1:], self._file.tell()]
        return [self._events(start, end) for start, end in zip(self._starts, ends, strict=True)]

    def _events(self, start: int, end: int) -> Iterator[LoggedEvent]:
        descriptor = self._file.fileno()
        while start < end:
            size = int.from_bytes(os.pread(descriptor, 4, start), "little")
            for fields in marshal.loads(os.pread(descriptor, size, start + 4)):
                yield LoggedEvent(*fields)
            start += 4 + size


def _fields(event: LoggedEvent) -> tuple[object, ...]:
    extra_fields = None if event.extra_fields is None else dict(event.extra_fields)
    return (
        event.user_id,
        event.item_id,
        event.time_ms,
        event.event_type,
        event.event_id,
        event.value,
        event.text,
        extra_fields,
    )
