"""Each expert against a plain slow one, and the mixture's laws whatever the events."""

import math
from collections import defaultdict
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import TYPE_WEIGHT, EventBatch
from models.data.new_events import NewEvents
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.experts.cooccurrence import WAYS, SuccessorTable
from models.experts.count_experts import CountExperts
from models.experts.popularity_counts import HALF_LIVES, SMOOTHING, PopularityCounts
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights

torch.set_num_threads(1)

_KNOWN = 40
_ITEMS = ItemVocabulary(100)
for _number in range(_KNOWN):
    _ITEMS.describe(str(_number), "", [f"c{_number % 3}"])
    _ITEMS.add(str(_number))

Event = tuple[int, int, int]
_events = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, _KNOWN), st.integers(0, len(EVENT_TYPES) - 1)), max_size=50
)
_batches = st.lists(_events, max_size=4)


def batch_of(events: list[Event], start_s: int = 0) -> EventBatch:
    """Events in stream order, one a second."""
    columns = np.array([(*event, second) for second, event in enumerate(events)], dtype=np.int64).reshape(-1, 4)
    columns = columns[np.argsort(columns[:, 0], kind="stable")].T
    user, item, kind, second = (np.ascontiguousarray(column) for column in columns)
    return EventBatch(user, item, kind, (start_s + second) * 1000)


@given(st.lists(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.5, 1.0, 4.0])), max_size=30), max_size=5))
@settings(max_examples=60, deadline=None)
def test_popularity_is_that_of_a_count_by_hand(batches: list[list[tuple[int, float]]]) -> None:
    counts = PopularityCounts()
    for batch in batches:
        counts.add(np.array([item for item, _ in batch], dtype=np.int64), np.array([w for _, w in batch], np.float32))
    events = [event for batch in batches for event in batch]
    result = counts.probabilities(15)
    by_hand: dict[float, list[float]] = {}
    for half_life in reversed(HALF_LIVES):
        count = [0.0] * 15
        for age, (item, weight) in enumerate(reversed(events)):
            if item:
                count[item] += weight * 0.5 ** (age / half_life)
        if math.isinf(half_life):
            p = [(value + 0.5) / (sum(count) + 7) for value in count]
        else:
            total, ever = sum(count), by_hand[math.inf]
            p = [(1 - SMOOTHING) * c / total + SMOOTHING * e if total else e for c, e in zip(count, ever, strict=True)]
        by_hand[half_life] = p
    expected = np.array([by_hand[half_life] for half_life in HALF_LIVES])
    np.testing.assert_allclose(result[:, 1:], expected[:, 1:], rtol=1e-4)
    np.testing.assert_allclose(result.sum(1), 1, rtol=1e-5)
    assert (result[:, 0] == 0).all()


class SlowTable:
    """The same promise, one pair after another."""

    def __init__(self, sets: int) -> None:
        self.sets: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
        self.count = sets

    def add(self, pairs: dict[tuple[int, int], float]) -> None:
        newcomers = defaultdict(list)
        for (item, successor), weight in pairs.items():
            kept = self.sets[item, successor % self.count]
            if successor in kept:
                kept[successor] = float(np.float32(kept[successor]) + np.float32(weight))
            else:
                newcomers[item, successor % self.count].append((weight, successor))
        for set_key, group in newcomers.items():
            for weight, successor in sorted(group)[-WAYS:]:
                kept = self.sets[set_key]
                if len(kept) == WAYS:
                    del kept[min(kept, key=lambda value: kept[value])]
                kept[successor] = weight


# Distinct weights, so that the smallest count is one.
_pairs = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 70)), st.integers(1, 200), max_size=60)


@given(st.lists(_pairs, max_size=5), st.sampled_from([16, 48]))
@settings(max_examples=80, deadline=None)
def test_successors_are_those_of_a_table_by_hand(batches: list[dict[tuple[int, int], int]], cells: int) -> None:
    table, slow = SuccessorTable(cells), SlowTable(cells // WAYS)
    total: dict[int, float] = defaultdict(float)
    for number, batch in enumerate(batches):
        pairs = {pair: float(weight + number / 8 + pair[1] / 1024) for pair, weight in batch.items()}
        weights = np.array(list(pairs.values()), dtype=np.float32)
        former, latter = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
        table.add(former, latter, weights)
        slow.add(dict(zip(pairs, weights.tolist(), strict=True)))
        for (item, _), weight in pairs.items():
            total[item] += weight
    expected = np.zeros((4, 71), dtype=np.float32)
    for (item, _), kept in slow.sets.items():
        for successor, weight in kept.items():
            expected[item, successor] = weight
    result = table.counts(np.arange(4)[:, None].repeat(71, 1), np.arange(71)[None].repeat(4, 0))
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert ((result > 0).sum(1) <= cells).all()
    np.testing.assert_allclose(table.totals(np.arange(4)), [total[item] for item in range(4)], rtol=1e-5)
    successors, counts = table.successors(np.array([[1, 2], [3, 5000]]), torch.device("cpu"))
    for row, column, item in ((0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 0)):
        dense = np.zeros(71, dtype=np.float32)
        np.add.at(dense, successors[row, column].numpy(), counts[row, column].numpy())
        np.testing.assert_allclose(dense, expected[item], rtol=1e-6)


@given(_batches, st.lists(st.integers(0, _KNOWN), min_size=6, max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_history_scores_are_those_of_all_pairs_by_hand(
    batches: list[list[Event]], last: list[int], sparse_products: bool
) -> None:
    """Pairs up to 10 events apart, each 1 / distance and by the weight of the later event, whatever the batches."""
    config = ModelConfig(embedding_dim=8, hidden_size=12, history_length=60, device="cpu")
    has_mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]  # torch has no types for it
    sparse_products = sparse_products and has_mkl
    experts, rows = CountExperts(config, sparse_products=sparse_products), new_user_states(config, 4)
    experts.grow(_KNOWN + 1)
    pairs = np.zeros((_KNOWN + 1, _KNOWN + 1))
    histories: dict[int, list[int]] = defaultdict(list)
    for number, events in enumerate(batches):
        timeline = Timeline(batch_of(events, 1000 * number), rows)
        rows = rows.copy()
        timeline.advance(rows)
        experts.observe(NewEvents.of(rows, timeline.count))
        for user, item, kind in events:
            for lag, before in enumerate(reversed(histories[user][-10:]), 1):
                pairs[before, item] += TYPE_WEIGHT[kind] / lag
            histories[user].append(item)
    pairs[0], pairs[:, 0] = 0, 0
    last_items = np.array([last])
    by_hand = np.zeros((5, _KNOWN + 1))
    for lag, item in enumerate(last):
        forward, backward = pairs[item], pairs[:, item]
        if lag < 5 and forward.sum() > 0:
            by_hand[0] += 0.5**lag * forward / forward.sum()
        if forward.sum() > 0:
            by_hand[1] += 0.85**lag * forward / forward.sum() ** 0.5
        if backward.sum() > 0:
            by_hand[2] += 0.85**lag * backward / backward.sum() ** 0.5
        if lag == 0 and forward.sum() > 0:
            by_hand[3] = forward / forward.sum()
        by_hand[4, item] += 0.7**lag if item else 0
    scores = experts.history_scores(last_items, torch.ones(1, _KNOWN + 1))
    np.testing.assert_allclose(scores.values[:, 0], by_hand, rtol=1e-4, atol=1e-6)
    for target in (last[0] or 1, 7):
        share = experts.history_shares(last_items, np.array([target]))[:, 0]
        for row, score in zip(share, by_hand[:, target], strict=True):
            assert row.sum() == pytest.approx(1 if score > 0 else 0, abs=1e-5)


def engine_of(repeats: Literal["allow", "filter"], experts: bool) -> Engine:
    config = ModelConfig(
        embedding_dim=8,
        hidden_size=12,
        history_length=4,
        allow_repeats=repeats == "allow",
        seen_bits=64,
        experts=experts,
        max_successors=16,
        device="cpu",
    )
    weights = InterestNetwork(config).snapshot(0)
    generator = torch.Generator().manual_seed(1)
    noisy = {name: t + 0.3 * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    engine = Engine(config, _ITEMS)
    engine.update(Weights(1, noisy))
    return engine


@given(_batches, st.sampled_from(["allow", "filter"]))
@settings(max_examples=40, deadline=None)
def test_every_mixture_is_a_distribution(batches: list[list[Event]], repeats: Literal["allow", "filter"]) -> None:
    engine = engine_of(repeats, True)
    rows = new_user_states(engine.config, 4)
    for number, events in enumerate(batches):
        batch = batch_of(events, 1000 * number)
        scores = engine.score(batch, rows)
        step = engine.step(batch, rows, "event")
        predictions, rows = step.predictions, step.rows
        np.testing.assert_allclose(predictions.item_p.sum(1) + predictions.other_p, 1, atol=1e-5)
        assert (predictions.item_p >= 0).all()
        assert (np.diff(predictions.item_p, axis=1) <= 0).all()
        assert ((predictions.item > 0) == (predictions.item_p > 0)).all()
        assert (predictions.category_p.sum(1) <= 1 + 1e-5).all()
        assert (predictions.because_weight >= 0).all()
        assert (predictions.because_weight.sum(1) <= 1 + 1e-5).all()
        if repeats == "filter":
            had: dict[int, set[int]] = defaultdict(set)
            for user, item, top in zip(batch.user, batch.item, predictions.item, strict=True):
                had[int(user)].add(int(item))
                assert not had[int(user)] & set(top[top > 0].tolist())
        real = batch.item > 0
        assert (np.isfinite(scores.log_p) == np.isfinite(scores.rank))[real].all()
        assert np.isnan(scores.rank[~real]).all()


@given(_batches)
@settings(max_examples=30, deadline=None)
def test_rows_do_not_depend_on_the_experts(batches: list[list[Event]]) -> None:
    alone, mixed = engine_of("filter", False), engine_of("filter", True)
    rows = {engine: new_user_states(engine.config, 4) for engine in (alone, mixed)}
    for number, events in enumerate(batches):
        for engine in rows:
            rows[engine] = engine.step(batch_of(events, 1000 * number), rows[engine]).rows
    np.testing.assert_array_equal(rows[alone], rows[mixed])
