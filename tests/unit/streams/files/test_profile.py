import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.files.cleaning import Cleaner, CleaningRules
from streams.files.event_logs import open_events
from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from streams.files.outliers import count_outliers
from streams.files.profile import LogProfile, profile_log, write_picture


def write(folder: Path, rows: list[str], header: str = "user,item,time") -> Path:
    path = folder / "a.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def profile_of(path: Path) -> LogProfile:
    return profile_log(open_events(path))


def test_duplicates_missing_values_disorder_and_bad_lines_are_counted(tmp_path: Path) -> None:
    rows = ["u,i,100,click,3", "u,i,100,click,", "u,i,100,view,", "v,i,90,click,1", "v,i,x,click,", "w,,120,search,"]
    profile = profile_of(write(tmp_path, rows, "user,item,time,type,value"))
    assert (profile.events, len(profile.users), len(profile.items)) == (5, 3, 1)
    assert (profile.duplicates, profile.without_item, profile.without_value, profile.without_text) == (1, 1, 3, 5)
    assert profile.types == {"click": 3, "view": 1, "search": 1}
    assert (profile.first_ms, profile.last_ms) == (90_000, 120_000)
    disorder = profile.disorder
    assert (disorder.late_events, disorder.max_late_ms, disorder.first_late) == (1, 10_000, "a.csv:5")
    assert profile.left_out.counts == {"the time is not understood": 1}


def test_growth_ends_with_all_users_and_items_in_order_of_time(tmp_path: Path) -> None:
    profile = profile_of(write(tmp_path, [f"u{n // 10},i{n % 7},{1000 - n}" for n in range(250)]))
    assert profile.growth[-1] == (250, 25, 7)
    assert [users for _, users, _ in profile.growth] == sorted(users for _, users, _ in profile.growth)
    assert profile.growth[0] == (2, 1, 2)


def test_a_bot_is_an_outlier_and_a_heavy_user_is_not() -> None:
    counts = {f"u{n}": 1 + n % 20 for n in range(400)} | {"heavy": 120, "bot": 20_000}
    outliers = count_outliers(counts)
    assert outliers.counts == {"bot": 20_000}
    assert 120 < outliers.bound < 20_000
    assert count_outliers({}).counts == {}


def test_equal_counts_have_no_outliers_but_one_far_beyond() -> None:
    counts = {f"u{n}": 1 for n in range(50)}
    assert count_outliers(counts | {"a": 10}).counts == {}
    assert count_outliers(counts | {"a": 100, "b": 200}).counts == {"b": 200, "a": 100}


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 10**9), max_size=50))
def test_at_most_half_are_outliers_and_all_are_above_the_bound(counts: dict[str, int]) -> None:
    outliers = count_outliers(counts)
    assert len(outliers.counts) <= len(counts) / 2
    assert outliers.counts == {id_: count for id_, count in counts.items() if count > outliers.bound}


def test_the_json_of_a_profile_holds_every_figure(tmp_path: Path) -> None:
    rows = [f"u{n},i,{n}" for n in range(60)] + [f"bot,i{n},{n}" for n in range(600)]
    figures = json.loads(json.dumps(profile_of(write(tmp_path, rows)).to_json()))
    assert figures["user_outliers"]["most"] == {"bot": 600}
    assert figures["item_outliers"]["count"] == 1
    assert figures["events"] == 660
    assert figures["growth"][-1] == {"events": 660, "users": 61, "items": 601}


def test_a_picture_is_written_or_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = profile_of(write(tmp_path, [f"u{n % 9},i{n % 5},{n}" for n in range(200)]))
    write_picture(profile, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(LogError, match=r"a\.xyz: Format 'xyz' is not supported"):
        write_picture(profile, tmp_path / "a.xyz")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(LogError, match="needs the extra `picture`"):
        write_picture(profile, tmp_path / "b.png")


def test_a_log_without_an_event_has_no_profile(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no event in it"):
        profile_of(write(tmp_path, ["u,i,x"]))


def cleaned(rules: str, events: list[LoggedEvent]) -> tuple[list[LoggedEvent], dict[str, int]]:
    cleaner = Cleaner(CleaningRules.parse(rules))
    cleaner.find_outliers(events)
    return list(cleaner.clean(events)), cleaner.touched


def event(user: str, item: str, second: int, kind: str = "view", value: float | None = None) -> LoggedEvent:
    return LoggedEvent(user, item, second * 1000, kind, f"{user}{item}{second}", value)


def test_dedupe_drops_what_an_earlier_event_said() -> None:
    first, other = event("u", "i", 1), event("u", "i", 1, "click")
    events = [first, other, event("u", "i", 1), event("v", "i", 1), event("u", "i", 2)]
    assert cleaned("dedupe", events) == ([first, other, events[3], events[4]], {"dedupe": 1})


def test_a_cap_keeps_the_first_events_of_a_user() -> None:
    events = [event("u", f"i{n}", n) for n in range(5)] + [event("v", "i", 9)]
    assert cleaned("cap=2", events) == ([*events[:2], events[5]], {"cap": 3})


def test_outliers_are_dropped_with_all_their_events() -> None:
    people = [event(f"u{n % 40}", f"i{n % 30}", n) for n in range(200)]
    bot = [event("bot", f"i{n % 30}", 200 + n) for n in range(900)]
    assert cleaned("drop=outliers", people + bot) == (people, {"drop=outliers": 900})


def test_a_value_is_filled_in_where_none_is() -> None:
    events = [event("u", "i", 1), event("u", "j", 2, value=2.0)]
    kept, touched = cleaned("fill=3.5", events)
    assert [e.value for e in kept] == [3.5, 2.0]
    assert touched == {"fill": 1}


def test_rules_are_applied_together_and_described() -> None:
    events = [event("u", "i", 1), event("u", "i", 1), event("u", "j", 2), event("u", "k", 3)]
    cleaner = Cleaner(CleaningRules.parse("dedupe, cap=2, fill=1"))
    assert [e.item_id for e in cleaner.clean(events)] == ["i", "j"]
    assert cleaner.describe() == "--clean dedupe: 1 dropped, cap: 1 dropped, fill: 2 filled in"


@pytest.mark.parametrize("text", ["cap", "cap=0", "cap=x", "fill=nan", "fill=", "drop=all", "mend"])
def test_an_unknown_rule_names_the_known_ones(text: str) -> None:
    with pytest.raises(LogError, match="expected some of dedupe, drop=outliers, cap=N, fill=VALUE"):
        CleaningRules.parse(text)


def test_no_rules_change_nothing() -> None:
    assert not CleaningRules.parse(None)
    assert not CleaningRules.parse(" ")
