import json
from pathlib import Path

from typer.testing import CliRunner

from bench.cli import app


def test_only_tests_that_may_be_looked_at_again_hold_alpha(tmp_path: Path) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "power.png"
    options = ["--simulated", "200", "--looks", "30", "--users-per-look", "30"]
    result = CliRunner().invoke(app, ["experiments", *options, "--json", str(figures), "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    report = json.loads(figures.read_text())
    errors = {test: shares[-1] for test, shares in report["decided"]["0"].items()}
    assert max(errors["sequence"], errors["sequence_cuped"]) <= report["alpha"] < 0.1 < errors["peeking"]
    assert errors["peeking_by_decision"] > errors["peeking"]
    decided = {test: shares[-1] for test, shares in report["decided"]["0.2"].items()}
    assert decided["fixed"] >= decided["sequence"] > errors["sequence"]
    assert decided["sequence_cuped"] >= decided["sequence"]
    assert len(report["users_of_each_arm"]) == 30
    assert picture.read_bytes().startswith(b"\x89PNG")
