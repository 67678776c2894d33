"""The part of the benchmark `scale-out` that goes through Kafka, in small."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from bench.cli import app
from tests.unit.bench.scale_out.test_command import circling_log


@pytest.mark.slow
def test_two_workers_of_one_trainer_through_kafka(tmp_path: Path) -> None:
    figures, picture = tmp_path / "scale-out.json", tmp_path / "scale-out.png"
    figures.write_text('{"replay": {"1": {"recall_at_10": 0.5}}}')
    words = ["scale-out", "--kafka", "--data", str(circling_log(tmp_path / "log.csv")), "--limit", "400"]
    words += ["--workers", "2", "--runs", "1", "--rate", "400", "--json", str(figures), "--picture", str(picture)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    measured = json.loads(figures.read_text())
    assert measured["replay"] == {"1": {"recall_at_10": 0.5}}
    assert measured["kafka_runs"]["events"] == 400
    (number,) = measured["kafka"]
    of = measured["kafka"][number]
    assert number == "2"
    assert 0 < of["recall_at_10"] <= of["recall_at_20"] <= 1  # of 25 items
    assert 0 < of["mrr"] < 1
    assert of["spread"]["mrr"] == [of["mrr"], of["mrr"]]
    assert len(of["runs"]) == 1
    assert picture.stat().st_size > 5000
    check_nothing_runs()


@pytest.mark.slow
def test_releases_are_timed_from_commit_to_use(tmp_path: Path) -> None:
    figures = tmp_path / "scale-out.json"
    words = [
        "scale-out",
        "--releases",
        "--row-rate",
        "200",
        "--items",
        "500",
        "--seconds",
        "10",
        "--json",
        str(figures),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(figures.read_text())["releases"]
    assert (row["rate_per_s"], row["items"]) == (200, 500)
    assert 0 < row["lag_p50_s"] <= row["lag_p99_s"]
    assert row["bytes_per_release"] > 0
    assert row["apply_p50_ms"] > 0
    assert row["counted_per_s"] > 0
    check_nothing_runs()


def check_nothing_runs() -> None:
    assert not [child for child in psutil.Process().children() if "streams.cli" in " ".join(child.cmdline())]
