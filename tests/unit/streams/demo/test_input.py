from dataclasses import replace
from pathlib import Path

import pytest

from streams.demo.input import DemoOptions, load_input
from streams.errors import StreamError
from streams.files.synthetic import TOPICS


@pytest.fixture
def log(tmp_path: Path) -> DemoOptions:
    path = tmp_path / "a.csv"
    path.write_text("user,item,time\nu,a,1\nv,b,2\nv,c,3\nw,a,4\n")
    return DemoOptions(events=path, seconds=2.0)


def test_a_synthetic_stream_lasts_as_long_as_asked() -> None:
    demo_input = load_input(DemoOptions(seconds=3, rate="100/s"))
    assert (len(demo_input.events), demo_input.rate_per_s, demo_input.allow_repeats) == (300, 100.0, True)
    assert demo_input.true_topic is not None
    assert demo_input.true_topic(0) in TOPICS
    assert {event.item_id for event in demo_input.events} <= {item.item_id for item in demo_input.items}


def test_a_log_is_spread_over_the_seconds_or_sent_at_the_rate(log: DemoOptions) -> None:
    assert load_input(log).rate_per_s == 2.0
    assert load_input(replace(log, rate="50")).rate_per_s == 50.0
    assert load_input(replace(log, rate="max")).rate_per_s is None
    assert load_input(log).true_topic is None


def test_the_log_decides_whether_items_repeat_unless_given(log: DemoOptions) -> None:
    assert not load_input(log).allow_repeats
    assert load_input(replace(log, repeats="allow")).allow_repeats
    assert log.events is not None
    log.events.write_text("user,item,time\nu,a,1\nu,a,2\n")
    assert load_input(log).allow_repeats
    assert not load_input(replace(log, repeats="filter")).allow_repeats


def test_the_user_active_in_most_parts_is_shown_unless_given(log: DemoOptions) -> None:
    assert load_input(log).shown_user == "v"
    assert load_input(replace(log, user="w")).shown_user == "w"
    assert log.events is not None
    lines = [f"once{n},i,{n * 2}\n" for n in range(500)]
    lines += [f"burst,i{n},500\n" for n in range(100)] + [f"steady,i{n},{n * 20}\n" for n in range(50)]
    log.events.write_text("user,item,time\n" + "".join(lines))
    assert load_input(log).shown_user == "steady"


def test_the_shown_synthetic_user_is_not_too_busy_to_follow() -> None:
    demo_input = load_input(DemoOptions(seconds=10))
    count = sum(event.user_id == demo_input.shown_user for event in demo_input.events)
    assert 40 < count <= 3 * 4000 / 99


def test_the_first_events_only(log: DemoOptions) -> None:
    assert [event.user_id for event in load_input(replace(log, limit=2)).events] == ["u", "v"]


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
        load_input(replace(log, **changes))  # type: ignore[arg-type]  # by name, as a table of cases
