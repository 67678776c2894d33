import json
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.formats.log_error import LogError
from streams.files.log_times import LogTimes
from streams.files.role_names import RoleNames
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
        ("-1", -1000),
    ],
)
def test_days_of_eight_digits_and_other_times_are_read(time: str | int, time_ms: int) -> None:
    assert LogTimes().ms(time, RoleNames({})) == time_ms


@pytest.mark.parametrize("first", ["0", "1899"])
def test_logs_that_count_from_0_are_read(tmp_path: Path, first: str) -> None:
    path = write(tmp_path, "a.csv", f"user,item,ts\nu,i,{first}\nv,j,45000\nw,k,20231399\n")
    assert {("v", "j", 45_000), ("w", "k", 20_231_399)} < set(triples(path))
    path.write_text(path.read_text() + "x,l,20231114\n")
    with pytest.raises(LogError, match=r"a\.csv:5: .* a day, or seconds\? The first time counts from 0"):
        triples(path)


@pytest.mark.parametrize("first", ["1972-01-01", "19720101", "1700000000", "1700000000000", "2023-11-14T00:00:00Z"])
@pytest.mark.parametrize("later", ["2023", "45000", "0", "99999999"])
def test_a_later_number_in_1970_is_a_bad_line_unless_the_log_counts_from_0(
    tmp_path: Path, first: str, later: str
) -> None:
    lines = [{"user": "u", "item": "i", "time": time} for time in (first, "20240131", int(later), first)]
    texts = {
        "a.csv": "user,item,time\n" + "".join("{user},{item},{time}\n".format(**line) for line in lines),
        "a.jsonl": "".join(json.dumps(line) + "\n" for line in lines),
    }
    for name, text in texts.items():
        path = write(tmp_path, name, text)
        with pytest.raises(LogError, match=rf"{name}:[34]: .*the times lie in 1970"):
            read_events(path)
        log = read_events(path, skip_bad=True)
        assert log.left_out.counts == {"the times lie in 1970": 1}
        assert max(event.time_ms for event in log.events) == 1_706_659_200_000


def test_days_as_numbers_of_json(tmp_path: Path) -> None:
    (event,) = read_events(write(tmp_path, "a.jsonl", '{"user": 1, "item": 2, "time": 20231114}\n')).events
    assert event.time_ms == 1_699_920_000_000
