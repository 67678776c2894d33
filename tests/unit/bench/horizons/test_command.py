from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bench.cli import app
from bench.horizons.logs import CHOICES, DAY_MS, SCHEDULES, load_log
from tests.unit.bench.horizons.small_log import write_cdnow


def test_figures_and_pictures_of_a_small_log(tmp_path: Path) -> None:
    folder, results = write_cdnow(tmp_path / "data"), tmp_path / "horizons.json"
    results.write_text('{"other": {"model": {"auc": 0.5}}}')
    arguments = ["horizons", "--data", "cdnow", "--logs", str(folder), "--json", str(results)]
    arguments += ["--pictures", str(tmp_path), "--set", "model.hidden_size=16", "--set", "model.embedding_dim=8"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    saved = json.loads(results.read_text())
    assert saved["other"]["model"]["auc"] == 0.5
    figures = saved["cdnow"]
    scorers = {"bg_nbd", "gap_quantile", "kaplan_meier", "model", "recency_frequency"}
    assert figures.keys() == scorers | {"about", "model_spending"}
    assert 0.5 < figures["model_spending"]["model"]["total_ratio"] < 2
    assert figures["model"]["auc"] > 0.85
    assert figures["model"]["ece"] < 0.2
    assert {"f1", "brier", "log_loss"} <= figures["bg_nbd"].keys()
    assert len(list(tmp_path.glob("horizons-cdnow-*.png"))) == 3
    assert "return within 30 days" in outcome.output


def test_what_is_chosen_by_lies_before_what_is_scored(tmp_path: Path) -> None:
    folder = write_cdnow(tmp_path / "data")
    log, chosen = load_log("cdnow", folder), load_log("cdnow", folder, choose=True)
    horizon_ms = chosen.schedule.horizon_days * DAY_MS
    assert chosen.events.time_ms[-1] <= chosen.test_ms[-1] + horizon_ms <= log.test_ms[0]
    assert chosen.training_ms[-1] + horizon_ms <= chosen.test_ms[0]
    for schedules in (SCHEDULES, CHOICES):
        for schedule in schedules.values():
            assert schedule.training.last + schedule.horizon_days <= schedule.test.first
    assert all(CHOICES[name].test.last <= SCHEDULES[name].training.last for name in SCHEDULES)
    arguments = ["horizons", "--data", "cdnow", "--logs", str(folder), "--choose", "--json", str(tmp_path / "a.json")]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 1
    assert "--choose is for settings" in outcome.output


def test_a_missing_or_unknown_log_is_one_line(tmp_path: Path) -> None:
    for name, text in (("cdnow", "is missing"), ("nowplaying", "has no questions")):
        outcome = CliRunner().invoke(app, ["horizons", "--data", name, "--logs", str(tmp_path)])
        assert outcome.exit_code == 1
        assert text in outcome.output
