import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.cold_items.catalogue import DAY_MS, made_up

SMALL = ["model.embedding_dim=16", "model.hidden_size=16", "model.device=cpu", "learning.lr=0.004"]


def test_items_are_chosen_after_they_came_and_never_twice_by_a_user() -> None:
    catalogue = made_up(users=40, days=5, items_per_day=16, events_per_user=2.0, seed=1)
    events = catalogue.events
    age_ms = events.time_ms - catalogue.arrival_ms[events.item]
    assert (age_ms >= 0).all()
    assert (age_ms < 3 * DAY_MS).all()
    assert (np.diff(events.time_ms) >= 0).all()
    pairs = events.user * 1_000_000 + events.item
    assert len(np.unique(pairs)) == len(pairs)
    new = np.maximum.accumulate(events.item)
    assert (np.diff(new) <= 1).all(), "indices follow first appearances"
    assert 0.2 < catalogue.best_recall_at_10 <= 1


@pytest.mark.slow
def test_vectors_help_with_new_items_and_those_of_other_items_do_not(tmp_path: Path) -> None:
    file = tmp_path / "cold.json"
    options = [part for setting in SMALL for part in ("--set", setting)]
    sizes = ["--users", "200", "--days", "7", "--items", "48", "--events", "5", "--warm-up", "4"]
    arms = ["--arm", "vectors", "--arm", "vectors of other items"]
    result = CliRunner().invoke(app, ["cold-items", *sizes, *arms, "--json", str(file), *options])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    assert figures["vectors"]["cold_recall_at_10"] > figures["vectors of other items"]["cold_recall_at_10"] + 0.03


def test_an_unknown_arm_is_one_line() -> None:
    result = CliRunner().invoke(app, ["cold-items", "--arm", "tea leaves"])
    assert result.exit_code == 1
    assert "nothing is called tea leaves" in result.output
