"""Mixtures of random moments against the definition, written out densely in double precision."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_features import EventFeatures
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import Windows, new_user_states
from models.experts import mixture
from models.experts.candidates import Candidates
from models.experts.count_experts import CountExperts
from models.experts.mixture import PredictionContexts
from models.experts.popularity_counts import SMOOTHING
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.outputs import NetworkOutput

torch.set_num_threads(1)

_BITS = 64
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Everything that a mixture comes from."""

    network: InterestNetwork
    candidates: Candidates
    experts: CountExperts
    contexts: PredictionContexts
    known: int
    active: NDArray[np.bool_]
    """[known + 1]"""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    repeats: Literal["allow", "filter"] = draw(st.sampled_from(["allow", "filter"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.sampled_from([1, 5, 40, 150, 1200]))
    counted = draw(st.integers(0, n))
    config = ModelConfig(
        embedding_dim=4,
        hidden_size=6,
        history_length=8,
        allow_repeats=repeats == "allow",
        seen_bits=_BITS,
        max_successors=16,
        text="none",
        device="cpu",
    )
    items = ItemVocabulary(n)
    for number in range(n):
        items.add(str(number))
    inactive = random.random(n) < draw(st.sampled_from([0, 0.1, 0.9, 1]))
    for forgotten in np.flatnonzero(inactive).tolist():
        items.forget(str(forgotten))
    experts = CountExperts(config)
    experts.grow(n + 1)
    for start in range(0, draw(st.sampled_from([0, 20, 400])), 20):
        item = random.zipf(1.3, 20) % (counted + 1)
        user = np.sort(random.integers(0, 2, 20))
        experts.observe(Timeline(EventBatch(user, item, np.ones(20, np.int64), start + np.arange(20)), _memory(config)))
    state = experts.mixer.state()
    state["value.w"] += random.normal(0, draw(st.sampled_from([0, 0.5])), state["value.w"].shape)
    state["value.L"] += random.normal(0, 1, state["value.L"].shape)
    experts.mixer.restore(state)
    network = InterestNetwork(config, n + 1).requires_grad_(False)
    scale = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4, 1e38, float("nan")]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    network.item.normal_(generator=generator).mul_(scale)
    candidates = Candidates(items, torch.device("cpu"))
    candidates.refresh()
    known = draw(st.integers(1, n))
    return Case(
        network,
        candidates,
        experts,
        _contexts(draw, config, random, candidates, n, known),
        known,
        items.active()[: known + 1],
    )


def _memory(config: ModelConfig) -> NDArray[np.void]:
    return new_user_states(config, 2)


def _contexts(
    draw: st.DrawFn, config: ModelConfig, random: np.random.Generator, candidates: Candidates, n: int, known: int
) -> PredictionContexts:
    count, ring = draw(st.sampled_from([1, 3, 20])), config.history_length
    item = random.zipf(1.2, (count, ring)) % (n + 1)
    length = random.integers(0, ring + 1, count)
    valid = np.arange(ring) < length[:, None]
    item = np.where(valid, item, 0).astype(np.int64)
    empty = np.zeros_like(item)
    steps = EventFeatures(item, empty, empty, empty.astype(np.uint8), np.zeros((count, ring, 0), np.uint8))
    copied, seen = torch.zeros(count, ring), None
    if config.allow_repeats:
        gate = torch.from_numpy(random.choice([0.01, 0.5, 0.99], count)).float()
        usable = torch.from_numpy(valid) & candidates.repeatable(item, known)
        copied = usable * torch.from_numpy(random.random((count, ring))).float()
        copied *= gate.unsqueeze(1) / copied.sum(1, keepdim=True).clamp_min(1e-9)
    else:
        share = random.choice([0.0, 0.3, 0.95, 1.0], (count, 1))
        seen = np.packbits(random.random((count, _BITS)) < share, axis=1, bitorder="little")
    interest = torch.from_numpy(random.normal(size=(count, config.embedding_dim))).float()
    return PredictionContexts(
        NetworkOutput(interest, torch.zeros(count, ring), copied), Windows(steps, valid), length.astype(np.int64), seen
    )


def by_definition(case: Case) -> tuple[Numbers, Numbers, Numbers, Numbers, NDArray[np.bool_], float]:
    """Mixture [P, N], each expert's p_i [P, E, N], z [P, N], log p_i [P, E, N], what is open [P, N], largest score."""
    contexts, n = case.contexts, case.known + 1
    count = len(contexts.steps)
    open_ = np.tile(case.active, (count, 1))
    if contexts.seen is not None:
        had = np.unpackbits(contexts.seen, axis=1, bitorder="little")
        open_ &= np.take_along_axis(had, np.tile(np.arange(n) % _BITS, (count, 1)), 1) == 0
    table, bias = case.network.item[:n], case.network.item_bias[:n]
    scores = (contexts.reading.interest @ table.T + bias).double().numpy()
    scores = np.nan_to_num(scores, nan=-1e4).clip(-1e4, 1e4)
    size = float(abs(scores).max())
    scores = np.where(open_, scores, -np.inf)
    network = _shares(np.exp(scores - scores.max(1, keepdims=True, initial=-1e300)))
    if case.network.copying is not None:
        copied = contexts.reading.copied.double().numpy()
        network *= 1 - copied.sum(1, keepdims=True)
        for row, (item, share) in enumerate(zip(contexts.windows.item, copied, strict=True)):
            np.add.at(network[row], item[share > 0], share[share > 0])
    popular = _shares(case.experts.popular(n).astype(np.float64) * open_[:, None])  # [P, 4, N]
    follows = case.experts.follow(contexts.windows.item, torch.from_numpy(open_).float())
    assert follows.places.at is None
    follow = follows.each.double().numpy().swapaxes(0, 1)  # [P, F, N]
    some = follow.sum(2, keepdims=True) > 0
    smooth = np.where(some, SMOOTHING, 1)
    following = (1 - smooth) * _shares(follow) + smooth * popular[:, -1:]
    each = np.concatenate([network[:, None], popular, following], 1)  # [P, E, N]
    steps = contexts.steps
    largest = np.stack([network.max(1, initial=0), following[:, 0].max(1, initial=0)])
    sure = np.log(largest.clip(1e-4)) / 5 + 0.5
    features = np.column_stack([np.ones(count), np.log1p(steps) / 5, steps == 0, *sure])
    weight, share = case.experts.mixer.weights(features)
    log = np.log(np.concatenate([network[:, None].clip(1e-30), each[:, 1:].clip(1e-300)], 1))
    score = np.where(open_, np.einsum("pe,pen->pn", weight, log), -np.inf)
    z = _shares(np.exp(score - score.max(1, keepdims=True, initial=-1e300)))
    return np.einsum("pe,pen->pn", share, np.concatenate([each, z[:, None]], 1)), each, z, log, open_, size


def _shares(values: Numbers) -> Numbers:
    total = values.sum(-1, keepdims=True)
    shares: Numbers = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return shares


@pytest.mark.parametrize(("block", "least"), [(1 << 18, np.inf), (1 << 18, 0), (1, 0)])
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_mixture_is_that_of_the_definition(case: Case, block: int, least: float) -> None:
    """Whatever the blocks, and whether for all items or for the successors of the last ones alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.experts.count_experts._SPARSE_FROM", np.inf)
        p, each, z, log, open_, size = by_definition(case)
        error = 5e-5 + 2e-7 * size  # a score of 1e4 is kept to 1e-3
        patch.setattr("models.experts.count_experts._SPARSE_FROM", least)
        patch.setattr("models.experts.candidates._BLOCK_SCORES", block)
        found = mixture.blocks(
            case.network, case.network.item, case.candidates, case.experts, case.contexts, case.known
        )
        for part in found:
            rows = part.rows
            np.testing.assert_allclose(part.p, p[rows], rtol=error, atol=1e-7)
            np.testing.assert_array_equal(part.closed.expand_as(part.p) == 0, open_[rows])
            assert not part.p.numpy()[~open_[rows]].any()
            np.testing.assert_allclose(part.p.sum(1), open_[rows].any(1), atol=1e-5)
            some = open_[rows].any(1)
            item = np.where(some, open_[rows].argmax(1), 0)
            item = np.where(some & (np.arange(len(item)) % 2 == 0), part.p.argmax(1), item)
            assert part.voices is not None
            gate_examples = part.voices.gate_examples(torch.from_numpy(item), np.ones(len(item), np.float32))
            at = np.arange(len(item)), slice(None), item
            lift = log[rows][at] - np.einsum("pn,pen->pe", z[rows], log[rows] * open_[rows][:, None])
            np.testing.assert_allclose(gate_examples.own[some], each[rows][at][some], rtol=error, atol=1e-7)
            np.testing.assert_allclose(gate_examples.product[some], z[rows][at[0], item][some], rtol=error, atol=1e-7)
            np.testing.assert_allclose(gate_examples.lift[some], lift[some], rtol=1e-4, atol=2 * error)
            assert all(
                np.isfinite(column).all() for column in (gate_examples.own, gate_examples.product, gate_examples.lift)
            )
