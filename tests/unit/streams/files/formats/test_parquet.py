"""Logs in Parquet."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.log_error import LogError

if sys.version_info >= (3, 14):
    pass
else:
    pass
from tests.unit.streams.files.logs import write


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "user_id": pyarrow.array([1.0, None, 3.0]),  # what pandas makes of integers with a gap
            "info": [{"sku": "a"}, {"sku": "b"}, {"sku": "c"}],
            "ts": pyarrow.array([datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)] * 3, pyarrow.timestamp("ns", "UTC")),
            "stars": [4.0, 5.0, None],
            "unused": [b"x"] * 3,
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    log = read_events(tmp_path / "a.parquet", parse_columns("item=info.sku"), skip_bad=True)
    assert [(e.user_id, e.item_id, e.time_ms, e.value, e.event_id) for e in log.events] == [
        ("1", "a", 5000, 4.0, "a.parquet:1"),
        ("3", "c", 5000, None, "a.parquet:3"),
    ]
    assert log.left_out.first == {"the user is empty": "a.parquet:2: the user (column 'user_id') is empty"}
    assert log.description == "a.parquet: Parquet; columns item=info.sku, user=user_id, time=ts, value=stars"
    with pytest.raises(LogError, match="no column looks like the item"):
        read_events(tmp_path / "a.parquet")
    with pytest.raises(LogError, match="no column 'who' for user"):
        read_events(tmp_path / "a.parquet", parse_columns("item=info.sku,user=who"))


def test_a_broken_parquet_file_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(LogError, match=r"a\.parquet: cannot be read"):
        read_events(write(tmp_path, "a.parquet", b"PAR1 nothing PAR1"))
    with pytest.raises(LogError, match=r"none\.parquet: cannot be read: No such file"):
        read_events(tmp_path / "none.parquet")


def test_parquet_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(LogError, match=r"Parquet needs the extra `parquet`: pip install 'interest-stream\[parquet\]'"):
        read_events(write(tmp_path, "a.parquet", b""))
