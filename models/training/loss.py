"""The training loss of windows of events: of the next item among all known ones, or among a sample.

softmax: cross-entropy. sigmoid: the binary cross-entropy of every item, the one that came against the others. degree:
squared error of u · E', 1 for the one that came and 0 for the others, which weigh less: that they did not come says
little (Hu, Koren & Volinsky, 2008); cross-entropy then only says how far apart probabilities lie.

The sample stands for the whole: an item drawn m times in S draws of probability q each counts as m / (S q) items of its
score (the logQ correction of Bengio & Senécal, 2008), and the true item counts as itself; so the normaliser is right on
average.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, softplus

from models.data.events import TYPE_WEIGHT
from models.items.vocabulary import ItemContentLike
from models.network.attention import MASKED_SCORE
from models.network.dropout import Dropout
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.network.outputs import SequenceOutput
from models.training.optimizer import RowGradient
from models.training.replay_buffer import TrainingWindows

_FORBIDDEN = float("-inf")

# R@10 on ml-100k's events from 40 % to 70 %: 1 .169, 10 .180, 100 .157; where each weighs like the one that came .089.
_OTHERS = 10.0
"""Weight of the squared error of all items that did not come, beside that of the one that did"""


@dataclass(frozen=True, slots=True)
class SampledCandidates:
    """Items that a loss compares the true one with."""

    rows: NDArray[np.int64] | None
    """[R] item of each row of the compared table, rising; None: row = item, and all are there"""
    log_count: NDArray[np.float32]
    """[R] log of how many items the row counts for; -inf leaves it out"""
    learnable: NDArray[np.bool_]
    """[R] whether the item may be predicted, and so learnt"""

    @staticmethod
    def all(active: NDArray[np.bool_]) -> "SampledCandidates":
        """Every active item, once."""
        return SampledCandidates(None, np.where(active, 0, _FORBIDDEN).astype(np.float32), active)

    @staticmethod
    def sampled(
        item: NDArray[np.int64], probability: NDArray[np.float64], needed: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> "SampledCandidates":
        """Drawn items, weighed by the probability of each; `needed` ones get rows of their own that do not compete."""
        rows, row = np.unique(np.concatenate([item, needed, [0]]), return_inverse=True)
        row = row[: len(item)]
        times = np.bincount(row, minlength=len(rows))
        expected = np.ones(len(rows))
        expected[row] = len(item) * probability
        with np.errstate(divide="ignore"):
            log_count = np.log(times / expected)
        learnable = active[rows]
        return SampledCandidates(rows, np.where(learnable, log_count, _FORBIDDEN).astype(np.float32), learnable)


@dataclass(frozen=True, slots=True)
class Gradients:
    """Loss of a set of windows and what it asks of every parameter that it depends on."""

    loss: float
    """Mean over the targets by weight of their types"""
    weight: float
    """Sum of those weights"""
    changes: list[RowGradient]

    @staticmethod
    def mean(parts: Sequence["Gradients"]) -> "Gradients":
        """That of all parts' windows together; all parts were taken over the same competitors."""
        whole = sum(part.weight for part in parts)
        total: dict[str, RowGradient] = {}
        for part in parts:
            for change in part.changes:
                gradient = change.gradient * (part.weight / whole)
                if change.name in total:
                    gradient += total[change.name].gradient
                total[change.name] = replace(change, gradient=gradient)
        loss = sum(part.loss * part.weight for part in parts) / whole
        return Gradients(loss, whole, list(total.values()))


@dataclass(frozen=True, slots=True)
class _Loss:
    """A loss with the leaves that it depends on."""

    mean: Tensor
    """[] over the targets by weight of their types"""
    log_loss: Tensor
    """[] likewise, but of the cross-entropy alone"""
    weight: Tensor
    leaves: list[tuple[str, Tensor, Tensor, slice | Tensor]]
    """Name, parameter, leaf and the parameter's rows that the leaf is"""


def gradients(
    network: InterestNetwork,
    windows: TrainingWindows,
    competitors: SampledCandidates,
    content: ItemContentLike | None = None,
    dropout: Dropout | None = None,
    bfloat16: bool = False,
) -> Gradients | None:
    """Mean loss of the windows' targets by weight of their types, and its gradients; None where there is no target.

    Where repeats are filtered, items from earlier in the window do not compete; where they are allowed, the copy path
    has its part in the probability.
    """
    loss = _loss(network, windows, competitors, content, dropout, bfloat16)
    if loss is None:
        return None
    found = torch.autograd.grad(loss.mean, [leaf for _, _, leaf, _ in loss.leaves], allow_unused=True)
    changes = [
        RowGradient(name, parameter.detach(), gradient, rows)
        for (name, parameter, _, rows), gradient in zip(loss.leaves, found, strict=True)
        if gradient is not None  # a part that nothing in these windows speaks to, such as text
    ]
    return Gradients(float(loss.mean.detach()), float(loss.weight), changes)


@torch.no_grad()
def log_loss(
    network: InterestNetwork,
    windows: TrainingWindows,
    competitors: SampledCandidates,
    content: ItemContentLike | None = None,
) -> tuple[float, float]:
    """Mean negative log-probability of the windows' targets by weight of their types, and the sum of these weights."""
    loss = _loss(network, windows, competitors, content, None, False)
    return (0.0, 0.0) if loss is None else (float(loss.log_loss), float(loss.weight))


def _loss(
    network: InterestNetwork,
    windows: TrainingWindows,
    competitors: SampledCandidates,
    content: ItemContentLike | None,
    dropout: Dropout | None,
    bfloat16: bool,
) -> _Loss | None:
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
    own_table = network.item.detach()[at].requires_grad_()  # [R, D]
    bias = network.item_bias.detach()[at].requires_grad_()  # [R]
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        table = own_table
        if network.content is not None and content is not None and content.version:
            row = np.arange(len(competitors.log_count)) if competitors.rows is None else competitors.rows
            table = own_table + network.content(tensor(content.rows(row)))
        run: SequenceOutput = network(table, FeatureTensors.of(replace(windows.steps, item=item), device), dropout)
        at_target = tensor(window), tensor(step)
        matched = (run.interest[at_target] @ table.T).float()  # [P, R]
    target = item[window, step]  # [P]
    own = tensor(target).unsqueeze(1)  # [P, 1]
    log_count = tensor(competitors.log_count).expand_as(matched)  # [P, R]
    if not network.config.allow_repeats:
        before = np.where(np.arange(item.shape[1]) < step[:, None], item[window], 0)  # [P, T]
        log_count = log_count.scatter(1, tensor(before), _FORBIDDEN)  # row 0, "no item", is left out anyway
    extra, score = _scored(network, matched, bias, own, log_count)
    # Itself the true item counts as one, whatever the sample says of it.
    log_p = -cross_entropy((score + log_count).scatter(1, own, score.gather(1, own)), own.squeeze(1), reduction="none")
    weight = tensor(TYPE_WEIGHT[windows.steps.type[window, step]])  # [P]
    if run.copy_score is not None and run.gate is not None:
        repeatable = (windows.item[window] > 0) & competitors.learnable[item[window]]  # [P, T]
        same = repeatable & (item[window] == target[:, None])
        log_p = _with_copies(
            log_p, run.copy_score[at_target].float(), run.gate[at_target].float(), tensor(repeatable), tensor(same)
        )
    total = weight.sum()
    leaves: list[tuple[str, Tensor, Tensor, slice | Tensor]] = []
    if network.config.item_embeddings:
        leaves.append(("item", network.item, own_table, at))
    leaves.append(("item_bias", network.item_bias, bias, at))
    leaves += [(name, p, p, slice(None)) for name, p in network.named_parameters() if name not in ITEM_TABLES]
    return _Loss(((extra - log_p) * weight).sum() / total, -(log_p * weight).sum() / total, total, leaves)


def _scored(
    network: InterestNetwork, matched: Tensor, bias: Tensor, own: Tensor, log_count: Tensor
) -> tuple[Tensor | float, Tensor]:
    """The loss [P] that is not cross-entropy, and the scores [P, R] that cross-entropy is taken of."""
    if network.config.objective == "softmax":
        return 0.0, matched + bias
    count = log_count.exp().scatter(1, own, 0.0)  # [P, R] of the others
    if network.config.objective == "sigmoid":
        # A network that knows nothing yet gives each of N items the chance 1 / (N + 1), not 1 / 2.
        score = matched + bias - count.sum(1, keepdim=True).log1p()
        return softplus(-score.gather(1, own)).squeeze(1) + (softplus(score) * count).sum(1), score.detach()
    assert network.log_scale is not None
    each = _OTHERS / count.sum(1).clamp(min=1)  # [P]
    error = (1 - matched.gather(1, own)).squeeze(1) ** 2 + each * (matched**2 * count).sum(1)
    return error, matched.detach() * network.log_scale.exp() + bias


def _with_copies(log_p: Tensor, score: Tensor, gate: Tensor, repeatable: Tensor, same: Tensor) -> Tensor:
    """log((1 - g) p + g Σ_j k_j [item_j is the target]); without a step to repeat, g is 0."""
    score = score.masked_fill(~repeatable, MASKED_SCORE)  # [P, T]
    whole = score.logsumexp(1)  # [P]
    some = whole > MASKED_SCORE / 2
    hit = same & (score > MASKED_SCORE / 2)
    log_copied = logsigmoid(gate) + score.masked_fill(~hit, MASKED_SCORE).logsumexp(1) - whole
    log_copied = torch.where(some & hit.any(1), log_copied, MASKED_SCORE)
    return torch.logaddexp(log_p + torch.where(some, logsigmoid(-gate), 0.0), log_copied)
