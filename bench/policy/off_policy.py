"""Off-policy estimates beside the truth: on simulated users, whose truth is known, and on Open Bandit data."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.errors import BenchError
from bench.policy.contenders import REWARD_MODEL
from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.greedy import Greedy
from models.policy.off_policy.estimators import ESTIMATORS
from models.policy.off_policy.intervals import Estimate, estimate
from models.policy.off_policy.logged_rewards import LoggedRewards
from models.policy.off_policy.policy_rewards import logged_rewards
from models.policy.simulator.parameters import SCENARIOS, SimulatorParameters
from models.policy.simulator.world import World
from models.policy.slate import CandidateBatch, FloatArray, IntArray, SlateBatch, outcomes_of
from models.policy.successive import SuccessiveChoice
from models.progress import ProgressCallback

CAMPAIGNS: Final = ("all", "men")
_EPSILON = 0.3
_LEARNING_ROUNDS, _LOGGED_ROUNDS = 30, 20
_TRUTH_DRAWS = 4
_PRIOR_IMPRESSIONS = 500.0
"""As many impressions of the mean rate are added to those of an item in the model of its click rate"""

Figures = dict[str, Any]


def evaluate_on_simulator(seeds: Sequence[int], on_progress: ProgressCallback) -> Figures:
    """By policy and estimator: estimates from the log of an ε-greedy policy of 10 000 decisions, and the truth."""
    parameters = SCENARIOS["plain"]
    figures: Figures = {"decisions": parameters.users * _LOGGED_ROUNDS, "logged_epsilon": _EPSILON, "policies": {}}
    for done, seed in enumerate(seeds):
        on_progress(done, len(seeds))
        for name, (truth, estimates) in _evaluate_seed(parameters, seed).items():
            rows = figures["policies"].setdefault(name, {"truth": [], **{key: [] for key in estimates}})
            rows["truth"].append(round(truth, 4))
            for key, value in estimates.items():
                rows[key].append(_rounded(value))
    on_progress(len(seeds), len(seeds))
    for rows in figures["policies"].values():
        for key in ESTIMATORS:
            inside = [row["low"] <= truth <= row["high"] for row, truth in zip(rows[key], rows["truth"], strict=True)]
            rows.setdefault("truth_inside", {})[key] = f"{sum(inside)} of {len(inside)}"
    return figures


def _evaluate_seed(parameters: SimulatorParameters, seed: int) -> dict[str, tuple[float, dict[str, Estimate]]]:
    world, random = World(parameters, seed), np.random.default_rng([seed, 5])
    users, size = np.arange(parameters.users), len(parameters.examination)
    logging = EpsilonGreedy(REWARD_MODEL, EpsilonGreedyOptions(_EPSILON))
    for _ in range(_LEARNING_ROUNDS):
        batch = world.candidates()
        slates = logging.act_batch(batch, size, random)
        logging.learn(outcomes_of(users, batch, slates, world.respond(slates).rewards(parameters)))
    greedy, softmax = Greedy(REWARD_MODEL), Softmax(REWARD_MODEL, SoftmaxOptions(0.03))
    targets: dict[str, SuccessiveChoice] = {"greedy": greedy, "softmax": softmax}
    for learnt in (greedy, softmax):
        learnt.model.restore(logging.model.arrays())
    truth: dict[str, list[float]] = {name: [] for name in targets}
    batches, slate_parts, rewards = [], [], []
    for _ in range(_LOGGED_ROUNDS):
        batch = world.candidates()
        value = world.click_p() * world.item_value()
        for name, policy in targets.items():
            for _ in range(_TRUTH_DRAWS):
                shown = policy.act_batch(batch, size, random).chosen
                truth[name].append(float((np.take_along_axis(value, shown, 1) @ parameters.examination).mean()))
        slates = logging.act_batch(batch, size, random)
        batches.append(batch)
        slate_parts.append(slates)
        rewards.append(world.respond(slates).rewards(parameters))
    logged_users = np.tile(users, _LOGGED_ROUNDS)
    batch, slates = _joined(batches), SlateBatch(*(
        np.concatenate([getattr(part, name) for part in slate_parts]) for name in ("chosen", "propensities")
    ))  # fmt: skip
    results = {}
    for name, policy in targets.items():
        data = logged_rewards(policy, logged_users, batch, slates, np.concatenate(rewards), REWARD_MODEL, random)
        results[name] = float(np.mean(truth[name])), {key: estimate(key, data, random) for key in ESTIMATORS}
    return results


def _joined(batches: Sequence[CandidateBatch]) -> CandidateBatch:
    names = ("items", "interest", "features", "context")
    return CandidateBatch(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in names))


def evaluate_on_open_bandit(folder: Path, on_progress: ProgressCallback) -> Figures:
    """By campaign and direction: the click rate of one policy from the other's log, and that of its own log."""
    figures: Figures = {}
    for done, campaign in enumerate(CAMPAIGNS):
        on_progress(done, len(CAMPAIGNS))
        uniform, thompson = (_read(folder / f"{policy}-{campaign}.csv.gz") for policy in ("random", "bts"))
        items = 1 + max(int(uniform.item.max()), int(thompson.item.max()))
        figures[campaign] = {
            "thompson_from_uniform": _estimates(uniform, thompson, _frequencies(thompson, items)),
            "uniform_from_thompson": _estimates(thompson, uniform, np.full((uniform.places, items), 1 / items)),
        }
    on_progress(len(CAMPAIGNS), len(CAMPAIGNS))
    return figures


class _Log:
    """A log of the Open Bandit Dataset: one item at one place each."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.item: IntArray = np.array([int(row["item_id"]) for row in rows])
        self.place: IntArray = np.array([int(row["position"]) for row in rows]) - 1
        self.click = np.array([float(row["click"]) for row in rows])
        self.propensity = np.array([float(row["propensity_score"]) for row in rows])
        self.places = int(self.place.max()) + 1


def _read(file: Path) -> _Log:
    if not file.is_file():
        raise BenchError(
            f"{file} is missing: put the small version of the Open Bandit Dataset there, or name its folder"
        )
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        return _Log(list(csv.DictReader(text)))


def _frequencies(log: _Log, items: int) -> FloatArray:
    """[places, items] how often the log's policy shows each item at a place, on average over the time of the log.

    The Thompson policy learns as it goes: its propensities are of one moment, and known for what was shown then alone.
    """
    counts = np.zeros((log.places, items))
    np.add.at(counts, (log.place, log.item), 1)
    return np.asarray(counts / counts.sum(1, keepdims=True))


def _estimates(log: _Log, target_log: _Log, policy: FloatArray) -> Figures:
    items = policy.shape[1]
    predicted, expected = np.zeros(len(log.item)), np.zeros(len(log.item))
    fold = np.arange(len(log.item)) % 2
    for held_out in (0, 1):
        learnt = fold != held_out
        clicks, shown = np.zeros(items), np.zeros(items)
        np.add.at(clicks, log.item[learnt], log.click[learnt])
        np.add.at(shown, log.item[learnt], 1)
        rate = (clicks + _PRIOR_IMPRESSIONS * log.click[learnt].mean()) / (shown + _PRIOR_IMPRESSIONS)  # [items]
        here = ~learnt
        predicted[here], expected[here] = rate[log.item[here]], (policy @ rate)[log.place[here]]
    data = LoggedRewards(
        log.click[:, None],
        log.propensity[:, None],
        policy[log.place, log.item][:, None],
        predicted[:, None],
        expected[:, None],
    )
    random = np.random.default_rng(0)
    truth = float(target_log.click.mean())
    error = float(np.sqrt(truth * (1 - truth) / len(target_log.click)))
    estimates = {key: estimate(key, data, random) for key in ESTIMATORS}
    return {
        "truth": round(truth, 5),
        "truth_error": round(error, 5),
        "logged": round(float(log.click.mean()), 5),
        **{key: _rounded(value, 5) for key, value in estimates.items()},
        "truth_inside": {key: bool(value.low <= truth <= value.high) for key, value in estimates.items()},
    }


def _rounded(value: Estimate, digits: int = 4) -> dict[str, float]:
    figures = asdict(value)
    return {key: round(number, 1 if key == "effective_sample_size" else digits) for key, number in figures.items()}
