import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app

SMALL = ["model.embedding_dim=16", "model.hidden_size=16", "model.device=cpu", "model.text=none"]


@pytest.mark.slow
def test_limits_keep_a_pushed_item_out_of_the_lists_of_others(tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    rows = [f"u{n * 7 % 60},i{(n * n + n // 60) % 83},{1_700_000_000 + 40 * n}" for n in range(3000)]
    log.write_text("user,item,time\n" + "\n".join(rows))
    file = tmp_path / "attack.json"
    options = [part for setting in SMALL for part in ("--set", setting)]
    command = ["attack", "--data", str(log), "--kind", "steady", "--users", "0.02", "--json", str(file), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (figures,) = json.loads(file.read_text()).values()
    assert list(figures) == ["no attack", "steady, without limits", "steady"]
    shares = [of_run["target_share"] for of_run in figures.values()]
    assert shares[1] > 2 * shares[2]
    assert shares[2] == pytest.approx(shares[0], abs=0.1)


def test_an_unknown_attack_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    log.write_text("user,item,time\n" + "\n".join(f"u{n},i{n % 5},{1_700_000_000 + n}" for n in range(50)))
    result = CliRunner().invoke(app, ["attack", "--data", str(log), "--kind", "slander"])
    assert result.exit_code == 1
    assert "no attack is called slander" in result.output
