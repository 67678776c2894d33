import random
import tempfile
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.files.event_columns import event_columns, sorted_event_columns
from streams.files.event_logs import read_events
from streams.files.formats.log_error import LogError
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.files.time_order import EventsOf, in_time_order

TIMES = st.lists(st.integers(-(10**12), 10**13) | st.integers(0, 5), max_size=300)


def reader_of(events: list[LoggedEvent]) -> EventsOf:
    """Reads the events, and counts one line that it leaves out."""

    def read(left_out: LeftOut) -> Iterator[LoggedEvent]:
        left_out.add("bad", "a.csv:1")
        return iter(events)

    return read


def logged(times: list[int]) -> list[LoggedEvent]:
    return [
        LoggedEvent(f"u{n % 7}", f"i{n % 5}", time, "view", str(n), n / 2, None, {"n": [n, None, {"é": 1.5}]})
        for n, time in enumerate(times)
    ]


@given(TIMES, st.integers(1, 400))
@settings(deadline=None, max_examples=200)
def test_the_order_is_that_of_a_stable_sort_by_time(times: list[int], run_events: int) -> None:
    events = logged(times)
    with in_time_order(reader_of(events), run_events=run_events) as ordered:
        assert list(ordered.events) == sorted(events, key=attrgetter("time_ms"))
        assert ordered.total == len(events)
        assert ordered.in_file_order == (times == sorted(times))
        assert ordered.left_out.counts == {"bad": 1}


def test_a_log_in_order_is_read_as_it_lies_and_as_far_as_it_was_counted() -> None:
    events = logged([1, 2, 2, 3])
    reads = []

    def growing(left_out: LeftOut) -> Iterator[LoggedEvent]:
        reads.append(len(events))
        yield from list(events)
        events.append(logged([0])[0])

    with in_time_order(growing) as ordered:
        assert [event.event_id for event in ordered.events] == ["0", "1", "2", "3"]
    assert reads == [4, 5]


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with (
        pytest.raises(LogError, match=r"events cannot be sorted in .*: No space left on device; TMPDIR names another"),
        in_time_order(reader_of(logged([2, 1]))),
    ):
        pass


def test_a_log_out_of_order_is_sorted_like_in_memory(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [f"u{rng.randrange(9)},i{rng.randrange(9)},{rng.randrange(50)}\n" for _ in range(500)]
    path = tmp_path / "a.csv"
    path.write_text("user,item,time\n" + "".join(rows))
    log = read_events(path)
    with in_time_order(lambda left_out: iter(sorted(log.events, key=attrgetter("event_id"))), run_events=7) as ordered:
        assert [event.time_ms for event in ordered.events] == [event.time_ms for event in log.events]


@given(TIMES)
@settings(deadline=None)
def test_arrays_in_order_of_time_are_those_of_sorted_events(times: list[int]) -> None:
    events = logged(times)
    columns, users, items = sorted_event_columns(iter(events), ["i3", "none"])
    expected_users: dict[str, int] = {}
    expected_items = {"": 0, "i3": 1, "none": 2}
    expected = event_columns(sorted(events, key=attrgetter("time_ms")), expected_users, expected_items)
    assert (users, items) == (len(expected_users), list(expected_items))
    for name in ("user", "item", "time_ms", "type", "value", "text"):
        assert getattr(columns, name).tolist() == getattr(expected, name).tolist(), name
