"""Users who click one item at every sight: how far they push it into the slates of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bench.policy.contenders import CONTENDERS
from models.policy.guard import InfluenceGuard
from models.policy.simulator.parameters import SCENARIOS, SimulatorParameters
from models.policy.simulator.world import World
from models.policy.slate import outcomes_of
from models.progress import ProgressCallback

ATTACKED: Final = ("greedy", "thompson", "linucb")
SHARES: Final = (0.0, 0.01, 0.02, 0.05, 0.1)
"""Of the users who attack"""
_MEASURED_SHARE = 0.3
"""Last part of the rounds, which is measured"""

Figures = dict[str, Any]


def measure_attacks(seeds: Sequence[int], rounds: int, on_progress: ProgressCallback) -> Figures:
    """By policy, with and without the guard: share of others' slates with the pushed item, and others' reward."""
    parameters = replace(SCENARIOS["plain"], rounds=rounds)
    figures: Figures = {"shares": list(SHARES), "seeds": len(seeds), "decisions": rounds * parameters.users}
    total, done = len(ATTACKED) * 2 * len(SHARES) * len(seeds), 0
    for name in ATTACKED:
        for guarded in (False, True):
            slates, rewards = np.zeros((len(SHARES), len(seeds))), np.zeros((len(SHARES), len(seeds)))
            for row, share in enumerate(SHARES):
                for column, seed in enumerate(seeds):
                    slates[row, column], rewards[row, column] = _attacked(parameters, seed, name, share, guarded)
                    done += 1
                    on_progress(done, total)
            figures.setdefault(name, {})["guard" if guarded else "no_guard"] = {
                "slates_with_item": [round(float(value), 5) for value in slates.mean(1)],
                "error": [round(float(value), 5) for value in slates.std(1, ddof=1) / np.sqrt(len(seeds))]
                if len(seeds) > 1
                else None,
                "reward_of_others": [round(float(value) * 1000, 2) for value in rewards.mean(1)],
            }
    return figures


def _attacked(
    parameters: SimulatorParameters, seed: int, name: str, share: float, guarded: bool
) -> tuple[float, float]:
    """Share of the others' slates that show the item, and their expected reward, in the measured part."""
    world, random = World(parameters, seed), np.random.default_rng([seed, 6])
    users, size = np.arange(parameters.users), len(parameters.examination)
    attacks = users < round(share * parameters.users)
    by_quality = np.argsort(world.catalog.log_quality[world.offered])
    target = int(world.offered[by_quality[len(by_quality) // 2]])
    policy, guard = CONTENDERS[name](), InfluenceGuard()
    shown, reward = [], []
    for index in range(parameters.rounds):
        batch = world.candidates()
        slates = policy.act_batch(batch, size, random)
        pushed = world.offered[slates.chosen] == target  # [B, K]
        feedback = world.respond(slates)
        rewards = np.where(pushed & attacks[:, None], 1.0, feedback.rewards(parameters))
        outcomes = outcomes_of(users, batch, slates, rewards)
        policy.learn(guard.weighted(outcomes) if guarded else outcomes)
        if index >= parameters.rounds * (1 - _MEASURED_SHARE):
            shown.append(pushed.any(1)[~attacks].mean())
            reward.append(feedback.expected.sum(1)[~attacks].mean())
    return float(np.mean(shown)), float(np.mean(reward))
