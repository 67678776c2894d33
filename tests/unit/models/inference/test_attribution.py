from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.event_types import type_index
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.attribution import top_items
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.online import OnlineLearner
from tests.unit.models.committed_steps import committed_step

MakeBatch = Callable[..., EventBatch]

Repeats = Literal["allow", "filter"]

_BATCH = 128


def test_heaviest_sums_equal_items_and_leaves_out_no_item() -> None:
    item = np.array([[5, 0, 6, 5], [7, 0, 0, 0]])
    weight = np.array([[0.2, 0.4, 0.25, 0.1], [0.0, 0.5, 0.5, 0.0]])
    because, share = top_items(item, weight, 3)
    assert because.tolist() == [[5, 6, 0], [0, 0, 0]]
    np.testing.assert_allclose(share, np.array([[0.3, 0.25, 0], [0, 0, 0]]), rtol=1e-6)


def test_what_only_one_event_leads_to_is_carried_by_it(config: ModelConfig, items: ItemVocabulary) -> None:
    """Item 20 always came after item 10; of a user with 10 among others, 10 must be the reason for 20."""
    config = replace(config, sampled_events=0)
    engine = Engine(config, items)
    users, turns = 40, 5
    for turn in range(turns):
        other = np.random.default_rng(turn).integers(1, 6, users)
        item = np.stack([other, np.full(users, 10), np.full(users, 20)], 1).ravel()
        batch = EventBatch(np.repeat(np.arange(users), 3), item, np.full(3 * users, 2), np.arange(3 * users))
        committed_step(engine, batch, new_user_states(config, users))
    batch = EventBatch(np.zeros(3, np.int64), np.array([25, 10, 26]), np.full(3, 2), np.arange(3))
    predictions = committed_step(engine, batch, new_user_states(config, 1)).predictions
    assert predictions.item[0, 0] == 20
    assert predictions.because[0, 0] == 10
    assert 0.3 < predictions.because_weight[0, 0] < 1


def test_shares_sum_to_one_less_what_popularity_gives(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    repeating: tuple[Repeats, ...] = ("allow", "filter")
    for repeats in repeating:
        alone = Engine(replace(config, allow_repeats=repeats == "allow", experts=False), items, top_because=5)
        mixed = Engine(replace(config, allow_repeats=repeats == "allow"), items, top_because=5)
        for engine in (alone, mixed):
            batch = make_batch(90, 9)
            batch.item[batch.item == 0] = 1
            rows = committed_step(engine, batch, new_user_states(engine.config, 9)).rows
            weight = committed_step(engine, batch, rows).predictions.because_weight.sum(1)
            if engine is alone:
                np.testing.assert_allclose(weight, 1, atol=1e-5)
            else:
                assert ((weight > 0.1) & (weight < 1)).all()


@pytest.mark.real_log
@pytest.mark.parametrize(("name", "events", "repeats"), [("ml_100k", 4_000, "filter"), ("wikipedia", 4_000, "allow")])
def test_without_its_largest_share_a_prediction_is_less_probable(
    name: str, events: int, repeats: Repeats, request: pytest.FixtureRequest
) -> None:
    """On a real log, most often; half of the time would be chance."""
    users, names, times_ms = (column[:events] for column in request.getfixturevalue(name))
    config, items = ModelConfig(allow_repeats=repeats == "allow", device="cpu"), ItemVocabulary(10_000)
    engine, learner = Engine(config, items, top_because=1), OnlineLearner(config, LearnerConfig(), items)
    rows, rating = new_user_states(config, int(users.max()) + 1), type_index("rating")
    for low in range(0, events, _BATCH):
        order = low + np.argsort(users[low : low + _BATCH], kind="stable")
        row, user = np.unique(users[order], return_inverse=True)
        item = np.array([items.add(names[index]) for index in range(low, min(low + _BATCH, events))])[order - low]
        batch = EventBatch(user, item, np.full(len(order), rating), times_ms[order])
        rows[row] = (step := committed_step(engine, batch, rows[row])).rows
        learner.observe(step.rows, step.new_events)
        while learner.ready:
            learner.train_step()
        engine.update(learner.weights())

    histories = []
    for row in rows[rows["steps"] >= 5]:
        steps = int(row["steps"])
        slots = np.arange(max(0, steps - config.history_length), steps) % config.history_length
        history = [int(item) for item in row["ring_item"][slots]]
        if len(set(history)) > 1:
            histories.append(history)
    # The histories are counted a second time by this step, so the gate must not learn from them.
    frozen = Engine(replace(config, sampled_events=0), items, top_because=1)
    frozen.update(learner.weights())
    frozen.restore(engine.experts())
    predictions = frozen.step(together(histories), new_user_states(config, len(histories))).predictions
    frozen.restore(engine.experts())
    tops, reasons = predictions.item[:, 0].tolist(), predictions.because[:, 0].tolist()
    before = log_p(frozen, histories, tops)
    after = log_p(
        frozen, [[i for i in history if i != why] for history, why in zip(histories, reasons, strict=True)], tops
    )
    generator = np.random.default_rng(0)
    others = [int(generator.choice(list({*history} - {why}))) for history, why in zip(histories, reasons, strict=True)]
    random = log_p(
        frozen, [[i for i in history if i != why] for history, why in zip(histories, others, strict=True)], tops
    )
    less, by_chance = float((after < before).mean()), float((random < before).mean())
    print(
        f"{name}: {len(histories)} predictions: {less:.3f} less probable without the reason, "
        f"{by_chance:.3f} without any other; "
        f"{np.mean(before - after):.3f} and {np.mean(before - random):.3f} in log p"
    )
    assert less > 0.85
    assert np.mean(before - after) > 2 * np.mean(before - random)


def together(histories: list[list[int]]) -> EventBatch:
    user = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    item = np.concatenate([np.array(history, dtype=np.int64) for history in histories])
    return EventBatch(user, item, np.full(len(item), type_index("rating")), np.arange(len(item)) * 30_000)


def log_p(engine: Engine, histories: list[list[int]], items: list[int]) -> NDArray[np.float64]:
    """Log-probability of one item after each history, which begins anew."""
    batch = together([[*history, item] for history, item in zip(histories, items, strict=True)])
    scores = engine.score(batch, new_user_states(engine.config, len(histories)))
    ends = np.cumsum([len(history) + 1 for history in histories]) - 1
    log_p_of_item: NDArray[np.float64] = scores.log_p[ends]
    return log_p_of_item
