import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.cold_users.population import made_up

SMALL = ["model.embedding_dim=16", "model.hidden_size=16", "model.device=cpu", "learning.lr=0.004"]


def test_users_arrive_one_after_another_and_choose_by_their_taste() -> None:
    population = made_up(users=60, days=4, items=40, events_per_user=3.0, seed=1)
    events = population.events
    assert (np.diff(events.time_ms) >= 0).all()
    assert len(np.unique(events.user)) == 60
    new = np.maximum.accumulate(events.item)
    assert (np.diff(new) <= 1).all(), "indices follow first appearances"
    assert 0.4 < population.best_recall_at_10 <= 1


@pytest.mark.slow
def test_profiles_help_with_new_users_and_those_of_other_users_do_not(tmp_path: Path) -> None:
    file = tmp_path / "cold.json"
    options = [part for setting in SMALL for part in ("--set", setting)]
    sizes = ["--users", "700", "--days", "4", "--items", "40", "--events", "4", "--warm-up", "2"]
    arms = ["--arm", "profiles", "--arm", "profiles of other users"]
    result = CliRunner().invoke(app, ["cold-users", *sizes, *arms, "--json", str(file), *options])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    first, control = (figures[name]["recall_at_10"]["first"] for name in ("profiles", "profiles of other users"))
    assert first > control + 0.05


def test_an_unknown_arm_is_one_line() -> None:
    result = CliRunner().invoke(app, ["cold-users", "--arm", "tea leaves"])
    assert result.exit_code == 1
    assert "nothing is called tea leaves" in result.output
