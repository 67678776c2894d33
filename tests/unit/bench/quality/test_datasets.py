import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DatasetError
from bench.quality.datasets import Dataset, load

CSV = "user,item,timestamp,rating,text\nb,y,200,4,fine\na,x,100,5,\nb,x,300,0,\n"


def test_a_file_is_read_in_order_of_time_and_numbered_by_first_appearance(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV)
    log = load(str(tmp_path / "log.csv"))
    assert (log.name, log.users, log.items, log.allow_repeats) == ("log.csv", 2, 2, False)
    assert log.item_ids == ["", "x", "y"]
    assert log.events.user.tolist() == [0, 1, 1]
    assert log.events.item.tolist() == [1, 2, 1]
    assert log.events.time_ms.tolist() == [100_000, 200_000, 300_000]
    np.testing.assert_array_equal(log.events.value, [5, 4, np.nan])
    assert log.events.text.tolist() == ["", "fine", ""]
    assert log.complete_users.all()


def test_repeats_are_allowed_if_any_user_has_an_item_twice(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV + "a,x,400,,\n")
    assert load(str(tmp_path / "log.csv")).allow_repeats


def test_only_the_first_events_are_read_with_a_limit(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV)
    log = load(str(tmp_path / "log.csv"), limit=1)
    assert (len(log.events), log.users, log.items) == (1, 1, 1)


def test_each_session_is_a_user_without_times(tmp_path: Path) -> None:
    folder = tmp_path / "nowplaying"
    folder.mkdir()
    for name, lines in (("train", "7 8\n8 8 9\n"), ("test", "9 7\n")):
        (folder / f"sessions_{name}.txt.gz").write_bytes(gzip.compress(lines.encode()))
    log = load("nowplaying", tmp_path)
    assert log.events.user.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert [log.item_ids[item] for item in log.events.item] == ["7", "8", "8", "8", "9", "9", "7"]
    assert not log.events.time_ms.any()
    assert log.allow_repeats


def test_a_missing_folder_is_an_error_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="name yours with --logs"):
        load("ml-100k", tmp_path)


def test_an_unknown_log_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(DatasetError, match=r"neither a file nor a known log.*wikipedia"):
        load("ml-10k")


def test_a_file_that_is_no_log_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("colour,shape\nred,round\n")
    with pytest.raises(DatasetError, match="no column looks like the user"):
        load(str(tmp_path / "log.csv"))


@pytest.mark.real_log
@pytest.mark.parametrize(
    ("name", "events", "users", "items", "allow_repeats"),
    [
        ("ml-100k", 100_000, 943, 1682, False),
        ("wikipedia", 157_474, 8227, 1000, True),
        ("amazon-music", 10_261, 1429, 900, False),
    ],
)
def test_known_logs_are_complete(
    name: str, events: int, users: int, items: int, allow_repeats: bool, real_log: Callable[[str], Dataset]
) -> None:
    log = real_log(name)
    assert (len(log.events), log.users, log.items, log.allow_repeats) == (events, users, items, allow_repeats)
    assert (np.diff(log.events.time_ms) >= 0).all()
    if name == "ml-100k":
        titles = dict(zip(log.item_ids, log.titles, strict=True))
        categories = dict(zip(log.item_ids, log.categories, strict=True))
        assert titles["1"].startswith("Toy Story")
        assert categories["2"] == ("Action", "Adventure", "Thriller")
    if name == "amazon-music":
        assert all(log.events.text[:100])
