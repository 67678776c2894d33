"""The training loss of windows of events: cross-entropy of the next item among all known ones, or among a sample.

The sample stands for the whole: an item drawn m times in S draws of probability q each counts as m / (S q) items of its
score (the logQ correction of Bengio & Senécal, 2008), and the true item counts as itself; so the normaliser is right on
average.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from models.adam import Change
from models.copying import NEVER
from models.events import TYPE_WEIGHT
from models.network import ITEM_TABLES, Dropout, InterestNetwork
from models.windows import TrainingWindows

_FORBIDDEN = float("-inf")


@dataclass(frozen=True, slots=True)
class Competitors:
    """Items that a loss compares the true one with."""

    rows: NDArray[np.int64] | None
    """[R] item of each row of the compared table, rising; None: row = item, and all are there"""
    log_count: NDArray[np.float32]
    """[R] log of how many items the row counts for; -inf leaves it out"""
    learnable: NDArray[np.bool_]
    """[R] whether the item may be predicted, and so learnt"""

    @staticmethod
    def all(active: NDArray[np.bool_]) -> "Competitors":
        """Every active item, once."""
        return Competitors(None, np.where(active, 0, _FORBIDDEN).astype(np.float32), active)

    @staticmethod
    def sampled(
        item: NDArray[np.int64], probability: NDArray[np.float64], needed: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> "Competitors":
        """Drawn items, weighed by the probability of each; `needed` ones get rows of their own that do not compete."""
        rows, row = np.unique(np.concatenate([item, needed, [0]]), return_inverse=True)
        row = row[: len(item)]
        times = np.bincount(row, minlength=len(rows))
        expected = np.ones(len(rows))
        expected[row] = len(item) * probability
        with np.errstate(divide="ignore"):
            log_count = np.log(times / expected)
        learnable = active[rows]
        return Competitors(rows, np.where(learnable, log_count, _FORBIDDEN).astype(np.float32), learnable)


@dataclass(frozen=True, slots=True)
class Gradients:
    """Loss of a set of windows and what it asks of every parameter that it depends on."""

    loss: float
    changes: list[Change]


def gradients(
    network: InterestNetwork,
    windows: TrainingWindows,
    competitors: Competitors,
    dropout: Dropout | None = None,
    bfloat16: bool = False,
) -> Gradients | None:
    """Mean loss of the windows' targets by weight of their types, and its gradients; None where there is no target.

    Where repeats are filtered, items from earlier in the window do not compete; where they are allowed, the copy path
    has its part in the probability.
    """
    device = network.item.device

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    if competitors.rows is None:
        at: slice | Tensor = slice(0, len(competitors.log_count))
        item = windows.item
    else:
        at = tensor(competitors.rows)
        item = np.searchsorted(competitors.rows, windows.item)  # [B, T] rows of the compared table
    window, step = windows.targets()
    kept = np.flatnonzero(competitors.learnable[item[window, step]])
    window, step = window[kept], step[kept]
    if not len(window):
        return None
    table = network.item.detach()[at].requires_grad_()  # [R, D]
    bias = network.item_bias.detach()[at].requires_grad_()  # [R]
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        run = network.interests(table, tensor(item), tensor(windows.type), tensor(windows.gap), dropout)
        at_target = tensor(window), tensor(step)
        interest = run.interest[at_target]  # [P, D]
        score = torch.addmm(bias, interest, table.T).float()  # [P, R]
    target = item[window, step]  # [P]
    own = tensor(target).unsqueeze(1)  # [P, 1]
    true = score.gather(1, own)
    score = score + tensor(competitors.log_count)
    if network.config.repeats == "filter":
        before = np.where(np.arange(item.shape[1]) < step[:, None], item[window], 0)  # [P, T]
        score = score.scatter_(1, tensor(before), _FORBIDDEN)  # row 0, "no item", is left out anyway
    score = score.scatter_(1, own, true)
    weight = tensor(TYPE_WEIGHT[windows.type[window, step]])  # [P]
    log_p = -cross_entropy(score, own.squeeze(1), reduction="none")  # [P]
    if run.copy_score is not None and run.gate is not None:
        repeatable = (windows.item[window] > 0) & competitors.learnable[item[window]]  # [P, T]
        same = repeatable & (item[window] == target[:, None])
        log_p = _with_copies(
            log_p, run.copy_score[at_target].float(), run.gate[at_target].float(), tensor(repeatable), tensor(same)
        )
    loss = -(log_p * weight).sum() / weight.sum()
    shared = [(name, p) for name, p in network.named_parameters() if name not in ITEM_TABLES]
    found = torch.autograd.grad(loss, [table, bias, *(p for _, p in shared)])
    changes = [
        Change("item", network.item.detach(), found[0], at),
        Change("item_bias", network.item_bias.detach(), found[1], at),
        *(
            Change(name, p.detach(), gradient, slice(None))
            for (name, p), gradient in zip(shared, found[2:], strict=True)
        ),
    ]
    return Gradients(float(loss.detach()), changes)


def _with_copies(log_p: Tensor, score: Tensor, gate: Tensor, repeatable: Tensor, same: Tensor) -> Tensor:
    """log((1 - g) p + g Σ_j k_j [item_j is the target]); without a step to repeat, g is 0."""
    score = score.masked_fill(~repeatable, NEVER)  # [P, T]
    whole = score.logsumexp(1)  # [P]
    some = whole > NEVER / 2
    hit = same & (score > NEVER / 2)
    log_copied = logsigmoid(gate) + score.masked_fill(~hit, NEVER).logsumexp(1) - whole
    log_copied = torch.where(some & hit.any(1), log_copied, NEVER)
    return torch.logaddexp(log_p + torch.where(some, logsigmoid(-gate), 0.0), log_copied)
