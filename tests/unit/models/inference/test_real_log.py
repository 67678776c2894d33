"""The whole of `models` on the first events of a real log, as a worker runs it: rank, step, learn, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
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

_BATCH = 128
_LEARNT, _FROZEN = 140 * _BATCH, 70 * _BATCH
_RETRAINED = 0xC0FFEE

pytestmark = pytest.mark.real_log


@dataclass
class Model:
    """Engine and learner of one configuration, with the rows of the users whose events it has seen."""

    config: ModelConfig
    items: ItemVocabulary
    engine: Engine
    learner: OnlineLearner
    rows: NDArray[np.void]
    ranks: NDArray[np.float64]
    """Of the events learnt, each scored before; infinite where they were not scored"""

    @classmethod
    def learn(cls, log: Log, config: ModelConfig, *more_rows: NDArray[np.void], scored: bool = True) -> Model:
        """The first events, in one pass; `more_rows` advance as the model's own do."""
        users, item_ids, times_ms = log
        items, ranks = ItemVocabulary(10_000), np.full(_LEARNT, np.inf)
        engine, learner = Engine(config, items), OnlineLearner(config, LearnerConfig(), items)
        user_rows = new_user_states(config, int(users.max()) + 1)
        for low in range(0, _LEARNT, _BATCH):
            known = len(items)
            item = [items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
            order, row, batch = batch_of(users, item, times_ms, low)
            if scored:
                ranks[order] = engine.score(batch, user_rows[row], known).rank
            for others in more_rows:
                others[row] = engine.step(batch, others[row]).rows
            user_rows[row] = (step := committed_step(engine, batch, user_rows[row])).rows
            assert not len(step.nonfinite_rows)
            learner.observe(step.rows, step.new_events)
            while learner.ready:
                learnt = learner.train_step()
                assert learnt is not None
                assert not learnt.skipped
                engine.update(learner.weights())
        return cls(config, items, engine, learner, user_rows, ranks)


@pytest.fixture(scope="module")
def network_and_fp32_rows(ml_100k: Log) -> tuple[Model, NDArray[np.void]]:
    """The network alone, and the rows as they are with `h` and `c` in single precision.

    The network alone: counts do not depend on the rows, so they could only hide a loss.
    """
    torch.set_num_threads(1)
    config = ModelConfig(allow_repeats=False, experts=False, device="cpu")
    fields = [(name, "<f4" if name in ("h", "c") else kind, shape) for name, kind, shape in user_row_fields(config)]
    fp32 = np.zeros(int(ml_100k[0].max()) + 1, np.dtype(fields))
    return Model.learn(ml_100k, config, fp32), fp32


@pytest.fixture(scope="module")
def popularity_ranks(ml_100k: Log) -> NDArray[np.float64]:
    """By decayed popularity, of the same events."""
    popularity, items, ranks = DecayedPopularity(), ItemVocabulary(10_000), np.full(_LEARNT, np.inf)
    had: dict[int, list[int]] = {}
    for low in range(0, _LEARNT, _BATCH):
        item = [items.add(item_id) for item_id in ml_100k[1][low : low + _BATCH]]
        for index, one in enumerate(item, low):
            seen = had.setdefault(int(ml_100k[0][index]), [])
            ranks[index] = popularity.rank(one, np.array(seen, dtype=np.int64))
            popularity.observe(np.array([one]))
            seen.append(one)
    return ranks


@pytest.mark.parametrize(("experts", "times"), [(False, 1.4), (True, 2.0)])
def test_learning_from_nothing_beats_decayed_popularity(
    ml_100k: Log,
    popularity_ranks: NDArray[np.float64],
    request: pytest.FixtureRequest,
    experts: bool,
    times: float,
) -> None:
    if experts:
        model = Model.learn(ml_100k, ModelConfig(allow_repeats=False, device="cpu"))
    else:
        model, _ = request.getfixturevalue("network_and_fp32_rows")
    scored = slice(_LEARNT * 7 // 10, None)
    recall, popular = (float((ranks[scored] <= 10).mean()) for ranks in (model.ranks, popularity_ranks))
    assert popular > 0.05
    assert recall > times * popular
    counts = np.bincount(ml_100k[0][:_LEARNT], minlength=len(model.rows))
    np.testing.assert_array_equal(model.rows["steps"], counts)
    print(f"recall@10 {recall:.4f}, decayed popularity {popular:.4f}")


def test_half_precision_and_rows_rebuilt_from_the_ring_lose_nothing(
    ml_100k: Log, network_and_fp32_rows: tuple[Model, NDArray[np.void]]
) -> None:
    users, item_ids, times_ms = ml_100k
    model, fp32 = network_and_fp32_rows
    rows = {"fp16": model.rows.copy(), "fp32": fp32.copy(), "rebuilt": model.rows.copy()}
    ranks = {name: np.full(_FROZEN, np.inf) for name in rows}
    longer, known = 0, len({*item_ids[:_LEARNT]})
    for low in range(_LEARNT, _LEARNT + _FROZEN, _BATCH):
        item = [model.items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        order, row, batch = batch_of(users, item, times_ms, low)
        rows["rebuilt"][row] = model.engine.recompute_states(rows["rebuilt"][row])
        longer += int((rows["fp16"]["steps"][row[batch.user]] > model.config.history_length).sum())
        for name, user_rows in rows.items():
            ranks[name][order - _LEARNT] = model.engine.score(batch, user_rows[row], known).rank
            user_rows[row] = model.engine.step(batch, user_rows[row]).rows
        known = max(known, *item)
    recall = {name: float((rank <= 10).mean()) for name, rank in ranks.items()}
    print(recall, f"{longer} of {_FROZEN} events have more before them than the ring holds")
    assert (rows["fp16"]["h"] != rows["rebuilt"]["h"]).any()
    assert longer > _FROZEN / 3
    assert recall["fp32"] > 0.15
    assert abs(recall["fp16"] - recall["fp32"]) <= 0.002
    assert recall["rebuilt"] >= recall["fp16"] - 0.002


def test_rows_that_another_training_computed_predict_as_if_they_had_always_been_of_this_one(
    ml_100k: Log, network_and_fp32_rows: tuple[Model, NDArray[np.void]]
) -> None:
    """Two models learn the same events from other seeds; then every batch meets rows of the first."""
    users, item_ids, times_ms = ml_100k
    other, _ = network_and_fp32_rows
    model = Model.learn(ml_100k, replace(other.config, seed=2), scored=False)
    engine = model.engine
    engine.update(replace(model.learner.weights(), lineage=_RETRAINED))
    first, second = other.rows.copy(), model.rows
    of = {"undisturbed": (second, _RETRAINED), "rebuilt": (first, 1), "continued": (first, 0)}
    top: dict[str, dict[int, NDArray[np.int64]]] = {name: {} for name in of}
    hits, predicted = dict.fromkeys(of, 0), 0
    for low in range(_LEARNT, _LEARNT + _FROZEN, _BATCH):
        item = [model.items.add(item_id) for item_id in item_ids[low : low + _BATCH]]
        assert [other.items.add(item_id) for item_id in item_ids[low : low + _BATCH]] == item
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
        second[row], first[row] = after["undisturbed"], other.engine.step(batch, first[row]).rows
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
