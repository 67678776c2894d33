"""Probabilities of the choice at one place of a slate, from scores of the candidates that are available."""

from __future__ import annotations

import numpy as np

from models.policy.slate import BoolArray, FloatArray


def best_share(scores: FloatArray, available: BoolArray) -> FloatArray:
    """[B, C] in which share of the draws [D, B, C] of the scores each available candidate is the best.

    All zero in rows where none is available. Ties are shared where D = 1; else the first is the best.
    """
    masked = np.where(available, scores, -np.inf)
    if len(scores) > 1:
        decisions, candidates = available.shape
        index = masked.argmax(-1) + candidates * np.arange(decisions)  # [D, B] of the flat [B, C]
        count = np.bincount(index.ravel(), minlength=decisions * candidates).reshape(available.shape)
        return np.asarray(count / len(scores) * available)
    best = (masked == masked.max(-1, keepdims=True)) & available  # [D, B, C]
    share = best / np.maximum(best.sum(-1, keepdims=True), 1)
    return np.asarray(share.mean(0))


def softmax(scores: FloatArray, available: BoolArray, temperature: float) -> FloatArray:
    """[B, C] in proportion to exp(score / temperature) of the scores [B, C], over the available candidates."""
    masked = np.where(available, scores, -np.inf)
    best = masked.max(-1, keepdims=True)
    weight = np.exp((masked - np.where(np.isfinite(best), best, 0)) / temperature)  # of -inf: 0
    return np.asarray(weight / np.maximum(weight.sum(-1, keepdims=True), np.finfo(np.float64).tiny))


def mixed_with_uniform(p: FloatArray, available: BoolArray, share: float) -> FloatArray:
    """[B, C] the probabilities `p` [B, C], mixed with this share of a uniform choice among the available candidates."""
    if share == 0:
        return p
    uniform = available / np.maximum(available.sum(-1, keepdims=True), 1)
    return np.asarray((1 - share) * p + share * uniform)


def sample(p: FloatArray, random: np.random.Generator) -> tuple[np.ndarray, FloatArray]:
    """Positions [B] drawn from the rows of `p` [B, C], and their probabilities [B]; p = 0 is never drawn from a row.

    Of a row that is all zero the position is -1 and the probability 1.
    """
    cumulative = p.cumsum(-1)
    total = cumulative[:, -1]
    # The last position with p > 0 has the first cumulative value that reaches the total.
    threshold = np.minimum(random.random(len(p)) * total, np.nextafter(total, 0))
    position = (cumulative <= threshold[:, None]).sum(-1)
    empty = total <= 0
    position = np.where(empty, -1, np.minimum(position, p.shape[1] - 1))
    return position, np.where(empty, 1.0, p[np.arange(len(p)), position])
