"""The command on a small log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.scale_out.replay.disturbed_scorer import DisturbedScorer


def circling_log(file: Path) -> Path:
    """Forty users of whom half walk around one circle of items and half around another, with some noise."""
    random = np.random.default_rng(0)
    place = random.integers(0, 25, 40)
    lines = ["user_id,item_id,timestamp"]
    for number in range(2000):
        user = int(random.integers(0, 40))
        place[user] = (place[user] + 1 + 3 * (user % 2)) % 25 if random.random() < 0.9 else random.integers(0, 25)
        lines.append(f"u{user},i{place[user]},{1_700_000_000 + 60 * number}")
    file.write_text("\n".join(lines))
    return file


@pytest.mark.slow
def test_four_workers_with_one_trainer_predict_better_than_alone(tmp_path: Path) -> None:
    figures, picture = tmp_path / "scale-out.json", tmp_path / "scale-out.png"
    words = ["scale-out", "--replay", "--data", str(circling_log(tmp_path / "log.csv")), "--json", str(figures)]
    options = ["--picture", str(picture), "--workers", "4"]
    result = CliRunner().invoke(app, [*words, *options])
    assert result.exit_code == 0, result.output
    assert "4, one trainer" in result.output
    measured = json.loads(figures.read_text())
    assert measured["replay"]["4"]["log_loss"] < measured["alone"]["4"]["log_loss"]
    assert measured["replay"]["4"]["recall_at_10"] > measured["alone"]["4"]["recall_at_10"] > 0
    assert measured["replay"]["4"]["bytes_per_release"] > 0
    assert picture.stat().st_size > 5000


@pytest.mark.slow
def test_faults_of_every_kind_leave_the_quality_about_as_it_is(tmp_path: Path) -> None:
    figures = tmp_path / "scale-out.json"
    log = str(circling_log(tmp_path / "log.csv"))
    words = ["scale-out", "--disturbed", "--data", log, "--limit", "1400", "--disturb-events", "1000"]
    result = CliRunner().invoke(app, [*words, "--json", str(figures)])
    assert result.exit_code == 0, result.output
    measured = json.loads(figures.read_text())["disturbed"]
    assert set(measured) == set(DisturbedScorer.KINDS)
    undisturbed = measured.pop("nothing")
    assert measured["workers restart"] == pytest.approx(undisturbed, rel=1e-6)  # releases are the whole model
    for kind, of in measured.items():
        assert abs(of["log_loss"] - undisturbed["log_loss"]) < 0.3, kind


def test_a_log_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    wide = CliRunner(env={"COLUMNS": "400"})  # a path that is as long as a line is broken anywhere
    result = wide.invoke(app, ["scale-out", "--data", str(tmp_path / "none.csv")])
    assert result.exit_code == 1
    assert "error:" in result.output
    assert "none.csv" in result.output
