from dataclasses import replace
from pathlib import Path

import pytest

from streams.demo.feed import DemoOptions, prepare
from streams.errors import StreamError
from streams.files.synthetic import TOPICS


@pytest.fixture
def log(tmp_path: Path) -> DemoOptions:
    path = tmp_path / "a.csv"
    path.write_text("user,item,time\nu,a,1\nv,b,2\nv,c,3\nw,a,4\n")
    return DemoOptions(events=path, seconds=2.0)


def test_a_made_up_stream_lasts_as_long_as_asked() -> None:
    feed = prepare(DemoOptions(seconds=3, rate="100/s"))
    assert (len(feed.events), feed.rate_per_s, feed.repeats) == (300, 100.0, "allow")
    assert feed.truth is not None
    assert feed.truth(0) in TOPICS
    assert {event.item_id for event in feed.events} <= {item.item_id for item in feed.items}


def test_a_log_is_spread_over_the_seconds_or_sent_at_the_rate(log: DemoOptions) -> None:
    assert prepare(log).rate_per_s == 2.0
    assert prepare(replace(log, rate="50")).rate_per_s == 50.0
    assert prepare(replace(log, rate="max")).rate_per_s is None
    assert prepare(log).truth is None


def test_the_log_decides_whether_items_return_unless_told(log: DemoOptions) -> None:
    assert prepare(log).repeats == "filter"
    assert prepare(replace(log, repeats="allow")).repeats == "allow"
    assert log.events is not None
    log.events.write_text("user,item,time\nu,a,1\nu,a,2\n")
    assert prepare(log).repeats == "allow"
    assert prepare(replace(log, repeats="filter")).repeats == "filter"


def test_the_user_active_in_most_parts_is_watched_unless_told(log: DemoOptions) -> None:
    assert prepare(log).watched == "v"
    assert prepare(replace(log, user="w")).watched == "w"
    assert log.events is not None
    lines = [f"once{n},i,{n * 2}\n" for n in range(500)]
    lines += [f"burst,i{n},500\n" for n in range(100)] + [f"steady,i{n},{n * 20}\n" for n in range(50)]
    log.events.write_text("user,item,time\n" + "".join(lines))
    assert prepare(log).watched == "steady"


def test_a_made_up_user_is_watched_whom_the_eye_can_follow() -> None:
    feed = prepare(DemoOptions(seconds=10))
    count = sum(event.user_id == feed.watched for event in feed.events)
    assert 40 < count <= 3 * 4000 / 99


def test_the_first_events_only(log: DemoOptions) -> None:
    assert [event.user_id for event in prepare(replace(log, limit=2)).events] == ["u", "v"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": "x"}, "no such user"),
        ({"repeats": "maybe"}, "expected allow or filter"),
        ({"rate": "no"}, "--rate 'no'"),
    ],
)
def test_a_wrong_option_is_named(log: DemoOptions, changes: dict[str, str], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        prepare(replace(log, **changes))  # type: ignore[arg-type]  # by name, as a table of cases
