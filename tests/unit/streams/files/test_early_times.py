from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.formats.log_error import LogError
from streams.files.logged_event import parse_time_ms
from tests.unit.streams.files.logs import triples, write


@pytest.mark.parametrize("time", ["2023", "19700", "45000.5", "20231399", "4.5e4", "99999999"])
def test_a_first_number_in_1970_is_named_with_its_line_and_column(tmp_path: Path, time: str) -> None:
    path = write(tmp_path, "a.csv", f"user,item,ts\nu,i,{time}\nv,j,1700000000\n")
    with pytest.raises(LogError, match=r"a\.csv:2: .*the times lie in 1970: is column 'ts' in seconds since 1970\?"):
        triples(path)


@pytest.mark.parametrize(
    ("time", "time_ms"),
    [
        ("20231114", 1_699_920_000_000),
        (20231114, 1_699_920_000_000),
        ("19700101", 0),
        ("19700102", 86_400_000),
        ("100000000", 100_000_000_000),
        ("1972-01-01", 63_072_000_000),
        ("20231399", 20_231_399_000),
        ("-1", -1000),
    ],
)
def test_days_of_eight_digits_and_other_times_are_read(time: str | int, time_ms: int) -> None:
    assert parse_time_ms(time) == time_ms


@pytest.mark.parametrize("first", ["0", "1899", "1972-01-01", "19720101"])
def test_logs_that_count_from_0_and_old_days_are_read(tmp_path: Path, first: str) -> None:
    path = write(tmp_path, "a.csv", f"user,item,ts\nu,i,{first}\nv,j,45000\n")
    assert ("v", "j", 45_000) in triples(path)


def test_days_as_numbers_of_json(tmp_path: Path) -> None:
    (event,) = read_events(write(tmp_path, "a.jsonl", '{"user": 1, "item": 2, "time": 20231114}\n')).events
    assert event.time_ms == 1_699_920_000_000
