"""The whole of `models` on the first events of a real log, as a worker runs it: rank, step, learn, in one pass."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.event_types import type_index
from models.data.events import EventBatch
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.metrics.popularity_baseline import DecayedPopularity
from models.training.online import OnlineLearner
from tests.unit.models.committed_steps import committed_step
from tests.unit.models.conftest import Log

_EVENTS = 20_000
_LEARNT, _FROZEN = 30_080, 9_984
_LEARNT_BY_TWO = 30_080
_BATCH = 128
_RETRAINED = 0xC0FFEE

pytestmark = pytest.mark.real_log


@pytest.mark.parametrize(("experts", "times"), [(False, 1.4), (True, 2.0)])
def test_learning_from_nothing_beats_decayed_popularity(ml_100k: Log, experts: bool, times: float) -> None:
    users, item_ids, times_ms = ml_100k[0][:_EVENTS], ml_100k[1][:_EVENTS], ml_100k[2][:_EVENTS]
    config, items = ModelConfig(allow_repeats=False, experts=experts, device="cpu"), ItemVocabulary(10_000)
    engine, learner, popularity = (
        Engine(config, items),
        OnlineLearner(config, LearnerConfig(), items),
        DecayedPopularity(),
    )
    user_rows = new_user_states(config, int(users.max()) + 1)
    had: dict[int, list[int]] = {}
    ranks_of_model, ranks_of_popularity = np.full(_EVENTS, np.inf), np.full(_EVENTS, np.inf)
    for low in range(0, _EVENTS, _BATCH):
        known = len(items)
        item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        order, row, batch = batch_of(users, item, times_ms, low)
        ranks_of_model[order] = engine.score(batch, user_rows[row], known).rank
        user_rows[row] = (step := committed_step(engine, batch, user_rows[row])).rows
        assert not len(step.nonfinite_rows)
        learner.observe(step.rows, step.new_events)
        while learner.ready:
            learnt = learner.train_step()
            assert learnt is not None
            assert not learnt.skipped
            engine.update(learner.weights())
        for index, one in enumerate(item, low):
            seen = had.setdefault(int(users[index]), [])
            ranks_of_popularity[index] = popularity.rank(one, np.array(seen, dtype=np.int64))
            popularity.observe(np.array([one]))
            seen.append(one)
    scored = slice(_EVENTS * 7 // 10, None)
    recall, popular = (float((ranks[scored] <= 10).mean()) for ranks in (ranks_of_model, ranks_of_popularity))
    assert popular > 0.05
    assert recall > times * popular
    counts = np.bincount(users, minlength=len(user_rows))
    np.testing.assert_array_equal(user_rows["steps"], counts)
    print(f"recall@10 {recall:.4f}, decayed popularity {popular:.4f}")


def test_half_precision_and_rows_rebuilt_from_the_ring_lose_nothing(ml_100k: Log) -> None:
    """The network alone: counts do not depend on the rows, so they could only hide a loss."""
    users, item_ids, times_ms = ml_100k
    config, items = ModelConfig(allow_repeats=False, experts=False, device="cpu"), ItemVocabulary(10_000)
    engine, learner = Engine(config, items), OnlineLearner(config, LearnerConfig(), items)
    half = new_user_states(config, int(users.max()) + 1)
    fields = [(name, "<f4" if name in ("h", "c") else kind, shape) for name, kind, shape in user_row_fields(config)]
    rows = {"fp16": half, "fp32": np.zeros(len(half), np.dtype(fields))}
    for low in range(0, _LEARNT, _BATCH):
        item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        _, row, batch = batch_of(users, item, times_ms, low)
        for user_rows in rows.values():
            user_rows[row] = (step := committed_step(engine, batch, user_rows[row])).rows
        learner.observe(step.rows, step.new_events)
        while learner.ready:
            learner.train_step()
            engine.update(learner.weights())
    rows["rebuilt"] = half.copy()
    ranks = {name: np.full(_FROZEN, np.inf) for name in rows}
    longer = 0
    for low in range(_LEARNT, _LEARNT + _FROZEN, _BATCH):
        known = len(items)
        item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        order, row, batch = batch_of(users, item, times_ms, low)
        rows["rebuilt"][row] = engine.recompute_states(rows["rebuilt"][row])
        longer += int((half["steps"][row[batch.user]] > config.history_length).sum())
        for name, user_rows in rows.items():
            ranks[name][order - _LEARNT] = engine.score(batch, user_rows[row], known).rank
            user_rows[row] = committed_step(engine, batch, user_rows[row]).rows
    recall = {name: float((rank <= 10).mean()) for name, rank in ranks.items()}
    print(recall, f"{longer} of {_FROZEN} events have more before them than the ring holds")
    assert (rows["fp16"]["h"] != rows["rebuilt"]["h"]).any()
    assert longer > _FROZEN / 3
    assert recall["fp32"] > 0.15
    assert abs(recall["fp16"] - recall["fp32"]) <= 0.002
    assert recall["rebuilt"] >= recall["fp16"] - 0.002


def test_rows_that_another_training_computed_predict_as_if_they_had_always_been_of_this_one(ml_100k: Log) -> None:
    """Two models learn the same events from other seeds, alone as above; then every batch meets rows of the first."""
    users, item_ids, times_ms = ml_100k
    items = ItemVocabulary(10_000)
    configs = [ModelConfig(allow_repeats=False, experts=False, device="cpu", seed=seed) for seed in (1, 2)]
    engines = [Engine(config, items) for config in configs]
    learners = [OnlineLearner(config, LearnerConfig(), items) for config in configs]
    first, second = (new_user_states(config, int(users.max()) + 1) for config in configs)
    for low in range(0, _LEARNT_BY_TWO, _BATCH):
        item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        _, row, batch = batch_of(users, item, times_ms, low)
        for engine, learner, user_rows in zip(engines, learners, (first, second), strict=True):
            user_rows[row] = (step := engine.step(batch, user_rows[row])).rows
            learner.observe(step.rows, step.new_events)
            while learner.ready:
                learner.train_step()
                engine.update(learner.weights())
    other, engine = engines
    engine.update(replace(learners[1].weights(), lineage=_RETRAINED))
    of = {"undisturbed": (second, _RETRAINED), "rebuilt": (first, 1), "continued": (first, 0)}
    top: dict[str, dict[int, NDArray[np.int64]]] = {name: {} for name in of}
    hits, predicted = dict.fromkeys(of, 0), 0
    for low in range(_LEARNT_BY_TWO, _LEARNT_BY_TWO + _FROZEN, _BATCH):
        item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        order, row, batch = batch_of(users, item, times_ms, low)
        after = {}
        for name, (user_rows, lineage) in of.items():
            step = engine.step(batch, user_rows[row], "event", np.full(len(row), lineage, np.uint32))
            assert step.rebuilt_rows == (len(row) if name == "rebuilt" else 0)
            after[name] = step.rows
            for user, target, top_items in zip(users[order].tolist(), batch.item, step.predictions.item, strict=True):
                hits[name] += bool(target in top[name].get(user, ()))
                predicted += name == "rebuilt" and user in top[name]
                top[name][user] = top_items
        second[row], first[row] = after["undisturbed"], other.step(batch, first[row]).rows
    recall = {name: hit / predicted for name, hit in hits.items()}
    print(recall, f"of {predicted} events")
    assert recall["undisturbed"] > 0.15
    assert abs(recall["rebuilt"] - recall["undisturbed"]) <= 0.005


def batch_of(
    users: NDArray[np.int64], item: list[int], times_ms: NDArray[np.int64], low: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], EventBatch]:
    """The events from `low` on that have these items: in which order, of which users, and as a batch."""
    order = np.argsort(users[low : low + len(item)], kind="stable")
    row, user = np.unique(users[low + order], return_inverse=True)
    kind = np.full(len(order), type_index("rating"))
    return low + order, row, EventBatch(user, np.array(item)[order], kind, times_ms[low + order])
