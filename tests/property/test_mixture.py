"""Mixtures in random contexts against the definition, written out densely in double precision."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_features import EventFeatures
from models.data.user_state import Windows
from models.experts import mixture
from models.experts.candidates import Candidates, CandidateSizes
from models.experts.count_experts import CountExperts
from models.experts.mixture import PredictionContexts
from models.experts.mixture_state import MixtureState
from models.experts.popularity_counts import SMOOTHING
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.outputs import NetworkOutput
from tests.unit.models.new_events import events_of

torch.set_num_threads(1)

_BITS = 64
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Everything that a mixture comes from."""

    config: ModelConfig
    network: InterestNetwork
    items: ItemVocabulary
    state: MixtureState
    contexts: PredictionContexts
    known: int
    active: NDArray[np.bool_]
    """[known + 1]"""

    def state_with(self, **how: Any) -> MixtureState:
        """The same counts and gate, with counts that are read in another way."""
        state = MixtureState(self.config, CountExperts(self.config, **how))
        state.restore(self.state.state())
        state.grow(len(self.items) + 1)
        return state

    def candidates(self, block_scores: int) -> Candidates:
        """The candidates, in blocks of this many scores."""
        candidates = Candidates(self.items, torch.device("cpu"), CandidateSizes(block_scores=block_scores))
        candidates.refresh()
        return candidates


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
    state = MixtureState(config)
    state.grow(n + 1)
    for _ in range(draw(st.sampled_from([0, 1, 20]))):
        item = random.zipf(1.3, 20) % (counted + 1)
        for events in np.split(item, [int(random.integers(0, 20))]):
            state.observe(events_of(*events.tolist()))
    gate = state.gate.state()
    gate["value.w"] += random.normal(0, draw(st.sampled_from([0, 0.5])), gate["value.w"].shape)
    gate["value.L"] += random.normal(0, 1, gate["value.L"].shape)
    state.gate.restore(gate)
    network = InterestNetwork(config, n + 1).requires_grad_(False)
    scale = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4, 1e38, float("nan")]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    network.item.normal_(generator=generator).mul_(scale)
    candidates = Candidates(items, torch.device("cpu"))
    candidates.refresh()
    known = draw(st.integers(1, n))
    return Case(
        config,
        network,
        items,
        state,
        _contexts(draw, config, random, candidates, n, known),
        known,
        items.active()[: known + 1],
    )


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
        repeatable = torch.from_numpy(valid) & candidates.repeatable(item, known)
        copied = repeatable * torch.from_numpy(random.random((count, ring))).float()
        copied *= gate.unsqueeze(1) / copied.sum(1, keepdim=True).clamp_min(1e-9)
    else:
        share = random.choice([0.0, 0.3, 0.95, 1.0], (count, 1))
        seen = np.packbits(random.random((count, _BITS)) < share, axis=1, bitorder="little")
    interest = torch.from_numpy(random.normal(size=(count, config.embedding_dim))).float()
    return PredictionContexts(
        NetworkOutput(interest, torch.zeros(count, ring), copied), Windows(steps, valid), length.astype(np.int64), seen
    )


def by_definition(case: Case) -> tuple[Numbers, Numbers, Numbers, Numbers, NDArray[np.bool_], float]:
    """Mixture [P, N], each p_i [P, E, N], z [P, N], log p_i [P, E, N], the candidates [P, N], the largest score."""
    contexts, n, state = case.contexts, case.known + 1, case.state_with(sparse_from=np.inf, sparse_products=False)
    count = len(contexts.event_counts)
    mask = np.tile(case.active, (count, 1))
    if contexts.seen is not None:
        seen = np.unpackbits(contexts.seen, axis=1, bitorder="little")
        mask &= np.take_along_axis(seen, np.tile(np.arange(n) % _BITS, (count, 1)), 1) == 0
    table, bias = case.network.item[:n], case.network.item_bias[:n]
    scores = (contexts.network_output.interest @ table.T + bias).double().numpy()
    scores = np.nan_to_num(scores, nan=-1e4).clip(-1e4, 1e4)
    largest_score = float(abs(scores).max())
    scores = np.where(mask, scores, -np.inf)
    network = _normalised(np.exp(scores - scores.max(1, keepdims=True, initial=-1e300)))
    if case.network.copying is not None:
        copied = contexts.network_output.copied.double().numpy()
        network *= 1 - copied.sum(1, keepdims=True)
        for row, (item, share) in enumerate(zip(contexts.windows.item, copied, strict=True)):
            np.add.at(network[row], item[share > 0], share[share > 0])
    popular = _normalised(state.counts.popularity(n).astype(np.float64) * mask[:, None])  # [P, 4, N]
    history_scores = state.counts.history_scores(contexts.windows.item, torch.from_numpy(mask).float())
    assert history_scores.columns.index is None
    values = history_scores.values.double().numpy().swapaxes(0, 1)  # [P, F, N]
    smoothing = np.where(values.sum(2, keepdims=True) > 0, SMOOTHING, 1)
    history = (1 - smoothing) * _normalised(values) + smoothing * popular[:, -1:]
    expert_p = np.concatenate([network[:, None], popular, history], 1)  # [P, E, N]
    events = contexts.event_counts
    largest_p = np.stack([network.max(1, initial=0), history[:, 0].max(1, initial=0)])
    confidence = np.log(largest_p.clip(1e-4)) / 5 + 0.5
    features = np.column_stack([np.ones(count), np.log1p(events) / 5, events == 0, *confidence])
    weight, share = state.gate.weights(features)
    log_p = np.log(np.concatenate([network[:, None].clip(1e-30), expert_p[:, 1:].clip(1e-300)], 1))
    logits = np.where(mask, np.einsum("pe,pen->pn", weight, log_p), -np.inf)
    z = _normalised(np.exp(logits - logits.max(1, keepdims=True, initial=-1e300)))
    p = np.einsum("pe,pen->pn", share, np.concatenate([expert_p, z[:, None]], 1))
    return p, expert_p, z, log_p, mask, largest_score


def _normalised(values: Numbers) -> Numbers:
    total = values.sum(-1, keepdims=True)
    p: Numbers = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return p


@pytest.mark.parametrize(("block_scores", "sparse_from"), [(1 << 18, np.inf), (1 << 18, 0), (1, 0)])
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_mixture_follows_its_definition(case: Case, block_scores: int, sparse_from: float) -> None:
    """Whatever the blocks, and whether for all items or for the successors of the last ones alone."""
    p, expert_p, z, log_p, mask, largest_score = by_definition(case)
    error = 5e-5 + 2e-7 * largest_score  # a score of 1e4 is kept to 1e-3
    state, candidates = case.state_with(sparse_from=sparse_from), case.candidates(block_scores)
    for block in mixture.predict_blocks(case.network, case.network.item, candidates, state, case.contexts, case.known):
        rows = block.rows
        np.testing.assert_allclose(block.p, p[rows], rtol=error, atol=1e-7)
        np.testing.assert_array_equal(block.is_candidate, mask[rows])
        assert not block.p.numpy()[~mask[rows]].any()
        possible = mask[rows].any(1)
        np.testing.assert_allclose(block.p.sum(1), possible, atol=1e-5)
        item = np.where(possible, mask[rows].argmax(1), 0)
        item = np.where(possible & (np.arange(len(item)) % 2 == 0), block.p.argmax(1), item)
        assert block.outputs is not None
        examples = block.outputs.gate_examples(torch.from_numpy(item), np.ones(len(item), np.float32))
        row = np.arange(len(item))
        mean = np.einsum("pn,pen->pe", z[rows], log_p[rows] * mask[rows][:, None])
        advantage = log_p[rows][row, :, item] - mean
        expected_p, expected_z = expert_p[rows][row, :, item], z[rows][row, item]
        np.testing.assert_allclose(examples.expert_p[possible], expected_p[possible], rtol=error, atol=1e-7)
        np.testing.assert_allclose(examples.product_p[possible], expected_z[possible], rtol=error, atol=1e-7)
        np.testing.assert_allclose(examples.score_advantage[possible], advantage[possible], rtol=1e-4, atol=2 * error)
        for column in (examples.expert_p, examples.product_p, examples.score_advantage):
            assert np.isfinite(column).all()
