import json
from pathlib import Path

from typer.testing import CliRunner

from bench.cli import app


def test_a_sweep_that_warns_of_everybody_looks_at_fewer(tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    small = ["--set", "model.embedding_dim=16", "--set", "model.hidden_size=16", "--set", "model.text=none"]
    result = CliRunner().invoke(app, ["sweep", "--users", "1024", "--items", "1024", "--json", str(file), *small])
    assert result.exit_code == 0, result.output
    nobody, everybody = json.loads(file.read_text())["passes"].values()
    assert nobody["bytes_per_warning"] == 0
    assert 100 < everybody["bytes_per_warning"] < 2000
    assert nobody["users_per_s"] > 0
    assert everybody["wait_p99_ms"] >= everybody["wait_ms"] > 0
