import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.impressions.shown import is_impression, with_impressions
from models.data.event_log import EventLog

SMALL = ["model.embedding_dim=16", "model.hidden_size=16", "model.device=cpu", "model.text=none"]


def test_items_of_earlier_events_are_passed_over_before_each_event() -> None:
    item = np.array([1, 2, 1, 3, 0])
    log = EventLog(
        np.arange(5), item, np.arange(5), np.full(5, 2), np.full(5, np.nan), np.full(5, "", dtype=np.object_)
    )
    joined = with_impressions(log, shown=30)
    shown = is_impression(joined)
    assert joined[np.flatnonzero(~shown)].item.tolist() == item.tolist()
    by_user = [set(joined.item[shown & (joined.user == user)].tolist()) for user in range(5)]
    assert by_user == [set(), {1}, {2}, {1, 2}, {1, 2, 3}]
    assert (np.diff(joined.user) >= 0).all()
    assert shown[np.flatnonzero(~shown)[1:] - 1].all()


@pytest.mark.slow
def test_impressions_that_are_left_out_change_no_figure(tmp_path: Path) -> None:
    log, file = tmp_path / "events.csv", tmp_path / "impressions.json"
    rows = [f"u{n % 10},i{(n // 10 + n % 10) % 7},{1_700_000_000 + n}" for n in range(400)]
    log.write_text("user,item,time\n" + "\n".join(rows))
    options = [part for setting in SMALL for part in ("--set", setting)]
    result = CliRunner().invoke(app, ["impressions", "--data", str(log), "--json", str(file), *options])
    assert result.exit_code == 0, result.output
    (figures,) = json.loads(file.read_text()).values()
    assert figures["impressions left out"] == figures["log alone"]
    assert figures["impressions learnt"] != figures["log alone"]
