import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from tests.unit.bench.small_logs import random_log


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path, events = tmp_path / "log.csv", random_log(events=1200).events
    rows = zip(events.user, events.item, events.time_ms // 1000, events.value, strict=True)
    path.write_text("user,item,timestamp,rating\n" + "\n".join(f"{u},{i},{t},{v}" for u, i, t, v in rows))
    return path


@pytest.mark.slow
def test_a_log_is_scored_printed_saved_and_drawn(file: Path, tmp_path: Path) -> None:
    results, pictures = tmp_path / "quality.json", tmp_path / "pictures"
    options = ["--limit", "1000", "--scorer", "mix", "--scorer", "ratings", "--scorer", "worker", "--trained"]
    options += ["--set", "training.epochs=1"]
    shown = CliRunner().invoke(
        app, ["quality", "--data", str(file), *options, "--json", str(results), "--pictures", str(pictures)]
    )
    assert shown.exit_code == 0, shown.output
    assert "log.csv, prequential: 300 events scored" in shown.output
    figures = json.loads(results.read_text())["log.csv"]
    assert set(figures) == {"mix", "ratings", "worker, trained, training.epochs=1"}
    assert all(scorer["events"] == 300 for scorer in figures.values())
    assert figures["ratings"]["rmse"] > figures["ratings"]["mae"] > 0
    assert {picture.name for picture in pictures.iterdir()} >= {"log.csv-recall.png", "log.csv-gain.png"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "ml-10k"], "neither a file nor a known log"),
        (["--data", "ml-100k", "--logs", "/nowhere"], "name yours with --logs"),
        (["--protocol", "luck"], "there are prequential"),
        (["--scorer", "luck"], "there are popularity"),
        (["--set", "model.depth=3"], "unknown key model.depth"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_known_names(options: list[str], message: str, file: Path) -> None:
    data = [] if "--data" in options else ["--data", str(file)]
    shown = CliRunner().invoke(app, ["quality", *data, *options])
    assert shown.exit_code == 1
    assert message in " ".join(shown.output.split())
