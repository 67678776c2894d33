"""Training loss of windows of events: the next item against all known items, or against a sample of them.

softmax: cross-entropy. sigmoid: the binary cross-entropy of every item, the target against the others. degree: squared
error of u · E', 1 for the target and 0 for the others, which weigh less: that they did not come is weak evidence (Hu,
Koren & Volinsky, 2008); cross-entropy then only fits how far apart probabilities lie.

A sampled item that was drawn m times in S draws of probability q each counts as m / (S q) items of its score (the logQ
correction of Bengio & Senécal, 2008), and the target counts as one: the softmax denominator is right on average.
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
from models.transfers import to_device

_NEGATIVES_WEIGHT = 10.0
"""Degree: weight of the squared error of all other items together, beside that of the target"""
# R@10 on ml-100k's events from 40 % to 70 %: 1 .169, 10 .180, 100 .157; where each weighs like the target .089.


@dataclass(frozen=True, slots=True)
class SampledCandidates:
    """Items that the loss compares a target with: all known ones, or a weighted sample."""

    rows: NDArray[np.int64] | None
    """[R] item of each row of the compared table, rising; None: row = item, and all are there"""
    log_count: NDArray[np.float32]
    """[R] log of how many items the row counts for; -inf leaves it out"""
    candidate_mask: NDArray[np.bool_]
    """[R] whether the item may be predicted; only such items are targets"""

    @staticmethod
    def all(active: NDArray[np.bool_]) -> "SampledCandidates":
        """Every active item, once."""
        return SampledCandidates(None, np.where(active, 0, -np.inf).astype(np.float32), active)

    @staticmethod
    def sampled(
        item: NDArray[np.int64], probability: NDArray[np.float64], needed: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> "SampledCandidates":
        """Drawn items, weighted by 1 / their probability; `needed` items get rows too, but do not compete."""
        rows, row = np.unique(np.concatenate([item, needed, [0]]), return_inverse=True)
        row = row[: len(item)]
        draws = np.bincount(row, minlength=len(rows))
        expected = np.ones(len(rows))
        expected[row] = len(item) * probability
        with np.errstate(divide="ignore"):
            log_count = np.log(draws / expected)
        candidate_mask = active[rows]
        return SampledCandidates(rows, np.where(candidate_mask, log_count, -np.inf).astype(np.float32), candidate_mask)


@dataclass(frozen=True, slots=True)
class Gradients:
    """Loss of a set of windows, and its gradients."""

    loss: float
    """Mean over the targets, weighted by event type"""
    weight: float
    """Sum of those weights"""
    row_gradients: list[RowGradient]

    @staticmethod
    def mean(parts: Sequence["Gradients"]) -> "Gradients":
        """Those of all parts' windows together; all parts must have the same candidates."""
        weight = sum(part.weight for part in parts)
        total: dict[str, RowGradient] = {}
        for part in parts:
            for gradient in part.row_gradients:
                values = gradient.values * (part.weight / weight)
                if gradient.name in total:
                    values += total[gradient.name].values
                total[gradient.name] = replace(gradient, values=values)
        loss = sum(part.loss * part.weight for part in parts) / weight
        return Gradients(loss, weight, list(total.values()))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Rows of a parameter that the loss is differentiated by."""

    name: str
    tensor: Tensor
    rows: Tensor | None


@dataclass(frozen=True, slots=True)
class _Loss:
    """A loss with the tensors that it depends on."""

    mean: Tensor
    """[] over the targets, weighted by event type"""
    log_loss: Tensor
    """[] likewise, of the cross-entropy alone"""
    weight: float
    """Sum of those weights"""
    leaves: list[_Leaf]


def gradients(
    network: InterestNetwork,
    windows: TrainingWindows,
    candidates: SampledCandidates,
    content: ItemContentLike | None = None,
    dropout: Dropout | None = None,
    bfloat16: bool = False,
    influence: NDArray[np.float32] | None = None,
) -> Gradients | None:
    """Mean loss of the windows' targets, weighted by event type, and its gradients; None where there is no target.

    `influence` [B, T] is what each event weighs beside that, without making up for it: where all have little, the
    gradient is small. Those of none are no targets.

    Where repeats are filtered, items from earlier in the window do not compete; where they are allowed, the copy path
    has its part in the probability.
    """
    loss = _loss(network, windows, candidates, content, dropout, bfloat16, influence)
    if loss is None:
        return None
    values = torch.autograd.grad(loss.mean, [leaf.tensor for leaf in loss.leaves], allow_unused=True)
    row_gradients = [
        RowGradient(leaf.name, gradient, leaf.rows)
        for leaf, gradient in zip(loss.leaves, values, strict=True)
        if gradient is not None  # a part that these windows do not use, such as text
    ]
    return Gradients(float(loss.mean.detach()), loss.weight, row_gradients)


@torch.no_grad()
def log_loss(
    network: InterestNetwork,
    windows: TrainingWindows,
    candidates: SampledCandidates,
    content: ItemContentLike | None = None,
) -> tuple[float, float]:
    """Mean negative log-probability of the windows' targets, weighted by event type; and the sum of these weights."""
    loss = _loss(network, windows, candidates, content, None, False)
    return (0.0, 0.0) if loss is None else (float(loss.log_loss), loss.weight)


def _loss(
    network: InterestNetwork,
    windows: TrainingWindows,
    candidates: SampledCandidates,
    content: ItemContentLike | None,
    dropout: Dropout | None,
    bfloat16: bool,
    influence: NDArray[np.float32] | None = None,
) -> _Loss | None:
    device = network.item.device

    def tensor(array: NDArray[np.generic]) -> Tensor:
        (on_device,) = to_device([array], device)
        return on_device

    if candidates.rows is None:
        rows = torch.arange(len(candidates.log_count), device=device)  # [R]
        item = windows.item
    else:
        rows = tensor(candidates.rows)
        item = np.searchsorted(candidates.rows, windows.item)  # [B, T] rows of the compared table
    window, column = windows.targets()
    predictable = np.flatnonzero(candidates.candidate_mask[item[window, column]])
    window, column = window[predictable], column[predictable]
    total = TYPE_WEIGHT[windows.features.type[window, column]].sum()
    if influence is not None:
        kept = np.flatnonzero(influence[window, column])
        window, column = window[kept], column[kept]
    if not len(window):
        return None
    index = rows if candidates.rows is not None else slice(len(rows))  # a slice needs no copy
    item_rows = network.item.detach()[index].requires_grad_()  # [R, D]
    bias = network.item_bias.detach()[index].requires_grad_()  # [R]
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        table = item_rows
        if network.content is not None and content is not None and content.refresh():
            content_row = np.arange(len(candidates.log_count)) if candidates.rows is None else candidates.rows
            table = item_rows + network.content(tensor(content.rows(content_row)))
        features = FeatureTensors.of(replace(windows.features, item=item), device)
        output: SequenceOutput = network(table, features, dropout, network.profile_inputs(windows.profile))
        target_index = tensor(window), tensor(column)
        dot = (output.interest[target_index] @ table.T).float()  # [P, R]
    target = item[window, column]  # [P]
    target_row = tensor(target).unsqueeze(1)  # [P, 1]
    log_count = tensor(candidates.log_count).expand_as(dot)  # [P, R]
    if not network.config.allow_repeats:
        earlier = np.where(np.arange(item.shape[1]) < column[:, None], item[window], 0)  # [P, T]
        log_count = log_count.scatter(1, tensor(earlier), float("-inf"))  # row 0, "no item", is left out anyway
    extra_loss, score = _objective(network, dot, bias, target_row, log_count)
    # The target counts as one item, whatever its weight in the sample.
    logits = (score + log_count).scatter(1, target_row, score.gather(1, target_row))  # [P, R]
    log_p = -cross_entropy(logits, target_row.squeeze(1), reduction="none")  # [P]
    if output.copy_score is not None and output.gate is not None:
        repeatable = (windows.item[window] > 0) & candidates.candidate_mask[item[window]]  # [P, T]
        is_target = repeatable & (item[window] == target[:, None])
        copy_score, gate = output.copy_score[target_index].float(), output.gate[target_index].float()
        log_p = _with_copies(log_p, copy_score, gate, tensor(repeatable), tensor(is_target))
    type_weight = TYPE_WEIGHT[windows.features.type[window, column]]
    weight = tensor(type_weight if influence is None else type_weight * influence[window, column])  # [P]
    leaves: list[_Leaf] = []
    if network.config.item_embeddings:
        leaves.append(_Leaf("item", item_rows, rows))
    leaves.append(_Leaf("item_bias", bias, rows))
    shared = ((name, p) for name, p in network.named_parameters() if name not in ITEM_TABLES and p.requires_grad)
    leaves += [_Leaf(name, p, None) for name, p in shared]
    mean, log_loss = ((extra_loss - log_p) * weight).sum() / total, -(log_p * weight).sum() / total
    return _Loss(mean, log_loss, float(total), leaves)


def _objective(
    network: InterestNetwork, dot: Tensor, bias: Tensor, target_row: Tensor, log_count: Tensor
) -> tuple[Tensor | float, Tensor]:
    """The part of the loss [P] that is not cross-entropy, and the scores [P, R] for cross-entropy."""
    if network.config.objective == "softmax":
        return 0.0, dot + bias
    negatives = log_count.exp().scatter(1, target_row, 0.0)  # [P, R] how many other items each row counts for
    if network.config.objective == "sigmoid":
        # An untrained network gives each of N items the probability 1 / (N + 1), not 1 / 2.
        score = dot + bias - negatives.sum(1, keepdim=True).log1p()
        return softplus(-score.gather(1, target_row)).squeeze(1) + (softplus(score) * negatives).sum(1), score.detach()
    assert network.log_scale is not None
    negative_weight = _NEGATIVES_WEIGHT / negatives.sum(1).clamp(min=1)  # [P] of each other item
    error = (1 - dot.gather(1, target_row)).squeeze(1) ** 2 + negative_weight * (dot**2 * negatives).sum(1)
    return error, dot.detach() * network.log_scale.exp() + bias


def _with_copies(log_p: Tensor, copy_score: Tensor, gate: Tensor, repeatable: Tensor, is_target: Tensor) -> Tensor:
    """log((1 - g) p + g Σ_j k_j [item_j is the target]), k the softmax of the copy scores; g is 0 without repeatables.

    log_p, gate: [P]; the others: [P, T].
    """
    copy_score = copy_score.masked_fill(~repeatable, MASKED_SCORE)  # [P, T]
    log_total = copy_score.logsumexp(1)  # [P]
    any_repeatable = log_total > MASKED_SCORE / 2
    hit = is_target & (copy_score > MASKED_SCORE / 2)
    log_copied = logsigmoid(gate) + copy_score.masked_fill(~hit, MASKED_SCORE).logsumexp(1) - log_total
    log_copied = torch.where(any_repeatable & hit.any(1), log_copied, MASKED_SCORE)
    return torch.logaddexp(log_p + torch.where(any_repeatable, logsigmoid(-gate), 0.0), log_copied)
