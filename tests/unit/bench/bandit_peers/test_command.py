import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from bench.bandit_peers.vowpal_wabbit import VARIANTS, VowpalWabbit
from bench.cli import app
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.world import World
from models.policy.slate import outcomes_of

SMALL = SimulatorParameters(users=20, items=6, examination=(1.0,))


def test_policies_of_both_are_run_on_the_same_users(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    options = "--scenario", "plain", "--seeds", "2", "--users", "4", "--rounds", "20", "--json", str(file)
    result = CliRunner().invoke(app, ["bandit-peers", *options], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text())["scenarios"]["plain"]
    assert rows.keys() == {"greedy", "epsilon_greedy", "softmax", "thompson", "linucb", *VARIANTS}
    for name, row in rows.items():
        assert name in result.output
        assert row["reward"] >= 0
        assert row["regret"] > -1000
    wrong = CliRunner().invoke(app, ["bandit-peers", "--scenario", "none"], env={"COLUMNS": "200"})
    assert (wrong.exit_code, "there are plain" in wrong.output) == (2, True)


def test_it_learns_what_is_rewarded_and_logs_the_probability_of_its_choice() -> None:
    world, random = World(SMALL, 0), np.random.default_rng(0)
    peer = VowpalWabbit("vw_epsilon", SMALL.categories)
    p, shown = [], []
    for _ in range(40):
        batch = world.candidates()
        slates = peer.act_batch(batch, 1, random)
        rewarded = slates.chosen == 2
        peer.learn(outcomes_of(np.arange(SMALL.users), batch, slates, rewarded * 1.0))
        p.append(slates.propensities)
        shown.append(float(rewarded.mean()))
    peer.close()
    assert np.mean(shown[-10:]) > 0.9 > np.mean(shown[:2])
    assert 0.01 / 6 - 1e-6 <= np.min(p) <= np.max(p) <= 1
