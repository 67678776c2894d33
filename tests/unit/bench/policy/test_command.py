import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.policy.off_policy import evaluate_on_open_bandit

CLICK_P = np.array([0.02, 0.1, 0.3])
THOMPSON = np.array([0.2, 0.3, 0.5])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "200"})


def write_logs(folder: Path, decisions: int) -> None:
    random = np.random.default_rng(0)
    for campaign in ("all", "men"):
        for name, p in (("random", np.full(3, 1 / 3)), ("bts", THOMPSON)):
            item = random.choice(3, decisions, p=p)
            click = random.random(decisions) < CLICK_P[item]
            with gzip.open(folder / f"{name}-{campaign}.csv.gz", "wt", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["item_id", "position", "click", "propensity_score"])
                places = random.integers(1, 4, decisions)
                writer.writerows(zip(item, places, click.astype(int), p[item], strict=True))


def test_rewards_regret_and_differences_are_merged_into_the_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(
        json.dumps({"attack": {"kept": 1}, "scenarios": {"plain": {"kept": 2}}, "simulator": {"dqn": {"reward": 3}}})
    )
    options = "--simulator", "--rounds", "20", "--seeds", "2", "--kind", "greedy", "--kind", "softmax"
    result = run(*options, "--scenario", "all", "--scenario", "change_of_taste", "--json", str(file),
                 "--pictures", str(tmp_path))  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    assert figures["attack"] == {"kept": 1}
    assert figures["scenarios"]["plain"] == {"kept": 2}
    assert figures["simulator"]["dqn"] == {"reward": 3}
    greedy, softmax = figures["simulator"]["greedy"], figures["simulator"]["softmax"]
    assert greedy["reward"] > 0
    assert greedy["error"] > 0
    assert softmax["less_greedy"]["mean"] == pytest.approx(softmax["reward"] - greedy["reward"], abs=0.002)
    changed = figures["scenarios"]["change_of_taste"]["greedy"]
    assert changed["after_change"]["regret"] > changed["regret"]
    assert {file.name for file in tmp_path.glob("*.png")} == {"policy-all.png", "policy-change-of-taste.png"}
    assert "less greedy" in result.output


def test_estimates_from_one_log_hold_the_click_rate_of_the_other(tmp_path: Path) -> None:
    write_logs(tmp_path, 3000)
    progress: list[tuple[int, int]] = []
    figures = evaluate_on_open_bandit(tmp_path, lambda done, total: progress.append((done, total)))
    assert progress[-1] == (2, 2)
    for rows in figures.values():
        forward, reverse = rows["thompson_from_uniform"], rows["uniform_from_thompson"]
        assert forward["ips"]["value"] == pytest.approx(CLICK_P @ THOMPSON, abs=0.04)
        assert reverse["dr"]["value"] == pytest.approx(CLICK_P.mean(), abs=0.04)
        assert forward["truth"] > forward["logged"]  # else the log's own rate would do
        assert 1000 < forward["dr"]["effective_sample_size"] < 3000


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no scenario is called nonsense" in run("--scenario", "nonsense").stderr
    assert "no kind is called nonsense" in run("--kind", "nonsense").stderr
    result = run("--off-policy", "--seeds", "1", "--open-bandit", str(tmp_path))
    assert result.exit_code == 1
    assert "Open Bandit Dataset" in result.stderr
