"""Contextual bandits of Vowpal Wabbit, as policies of the simulated users for slates of one place."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from vowpalwabbit import pyvw

from models.policy.slate import CandidateBatch, IntArray, Outcomes, SlateBatch

VARIANTS: Final[dict[str, str]] = {
    "vw_epsilon": "--epsilon 0.01",
    "vw_squarecb": "--squarecb",
    "vw_bag": "--bag 5",
    "vw_cover": "--cover 5",
}
"""By name the options of its exploration; all else is as it is by default: on the users of seed 100 vw_epsilon
earned less with --coin, with --cb_type dr, and with interactions of user and item, by two learning rates"""


class VowpalWabbit:
    """Action-dependent features: category, item and numbers of each candidate, and the user's interest by category."""

    def __init__(self, variant: str, categories: int) -> None:
        options = f"--cb_explore_adf --cb_type mtr {VARIANTS[variant]} --quiet --random_seed 1"
        self._workspace = pyvw.Workspace(options)
        self._categories = categories
        self._waiting: deque[tuple[list[list[str]], IntArray]] = deque()

    def act_batch(self, batch: CandidateBatch, size: int, random: np.random.Generator) -> SlateBatch:
        """As `Policy.act_batch`, of one place."""
        if size != 1:
            raise ValueError("slates have one place here")
        examples = [self._example(batch, row) for row in range(len(batch.items))]
        chosen, propensities = np.zeros((len(examples), 1), np.int64), np.ones((len(examples), 1))
        for row, lines in enumerate(examples):
            p = np.array(self._workspace.predict("\n".join(lines)))
            p /= p.sum()
            chosen[row, 0] = random.choice(len(p), p=p)
            propensities[row, 0] = p[chosen[row, 0]]
        self._waiting.append((examples, chosen[:, 0]))
        return SlateBatch(chosen, propensities)

    def learn(self, outcomes: Outcomes) -> None:
        """As `Policy.learn`; of the batches that it acted on, in their order."""
        examples, chosen = self._waiting.popleft()
        for row, lines in enumerate(examples):
            shown = int(chosen[row])
            label = f"0:{-outcomes.rewards[row, 0]}:{outcomes.propensities[row, 0]}"
            labelled = [f"{label} {line}" if place == shown + 1 else line for place, line in enumerate(lines)]
            self._workspace.learn("\n".join(labelled))

    def close(self) -> None:
        """Releases its memory."""
        self._workspace.finish()

    def _example(self, batch: CandidateBatch, row: int) -> list[str]:
        """A line of the user, then one of each candidate."""
        assert batch.category is not None
        user = " ".join(f"{index}:{value:.4g}" for index, value in enumerate(batch.context[row].tolist()))
        numbers = batch.features[row, :, self._categories :].tolist()  # behind the category, which is named
        lines = [f"shared |u {user}"]
        for item, category, interest, others in zip(
            batch.items[row].tolist(), batch.category[row].tolist(), batch.interest[row].tolist(), numbers, strict=True
        ):
            text = " ".join(f"{index}:{value:.4g}" for index, value in enumerate(others) if value)
            lines.append(f"|i c{category} interest:{interest:.4g} |n item{item} {text}")
        return lines
